"""The model's values as rows and as text, and back."""
