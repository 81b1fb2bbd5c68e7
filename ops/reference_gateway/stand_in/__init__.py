"""A stand-in for an image provider with OpenAI's shape: it draws real images, and has bad days on order."""
