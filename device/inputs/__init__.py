"""Where images come from: files, a stream, a watched folder, a camera."""
