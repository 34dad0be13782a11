"""The `course` command line. It imports the library; the library and the lessons never import it."""
