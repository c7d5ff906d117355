"""The web page at `/` of the admin port: pages made on the server, for people; nothing there that the API has not.

Promises: works without JavaScript and by keyboard alone; whatever a peer sent stays text. docs/web.md.
"""
