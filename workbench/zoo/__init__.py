"""The models that the workbench can build, save and load."""
