"""Who calls: API keys, tokens and certificates, what they are restricted to, and who gives them out."""
