"""Google's services: Dialogflow ES and CX."""
