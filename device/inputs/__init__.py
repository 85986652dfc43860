"""Where images come from: folders and files, a stream, a folder that is watched, a camera."""
