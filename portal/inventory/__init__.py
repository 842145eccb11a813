"""What sources offer: read a file, stage it, plan the difference, guard it, apply it; browse and export what is there."""
