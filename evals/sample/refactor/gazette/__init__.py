"""Makes the web pages of a village gazette."""
