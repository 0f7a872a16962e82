"""Dialogues: a virtual agent, such as Google's, talks with the person on the phone."""
