"""What may open a media stream: signed tokens, media URLs, Twilio's signature."""
