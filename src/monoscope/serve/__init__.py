"""A run's model behind an OpenAI-compatible address, steered for each request by itself."""
