// What a server that embeds a visitor's own text adds to the page; from a folder there is none.
