"""What a person does to many inventory items at once, as a search found them: chosen, looked at, done in the background, undone."""
