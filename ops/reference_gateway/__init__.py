"""A reference gateway: OpenAI's image API in front of a provider, every image charged through `billing.client`."""
