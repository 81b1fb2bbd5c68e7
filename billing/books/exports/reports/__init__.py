"""What exports are read with: COPY statements, in which PostgreSQL itself writes the lines of a file."""
