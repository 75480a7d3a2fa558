"""A reverse proxy that stands in front of a media origin and decides, token by token, who sees what."""
