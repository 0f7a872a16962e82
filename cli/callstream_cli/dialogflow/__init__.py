"""``callstream dialogflow``: a stand-in for Google's Dialogflow, on this machine."""
