"""Rules for the text of a line: vocabulary, redaction, formatting, words. Pure."""
