"""operando: from detector frames and a cycler file to maps of what lithium does in a working battery."""
