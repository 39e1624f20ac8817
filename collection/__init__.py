"""Many photographs: from folders, lists and patterns to rows, files and search. Imports model/."""
