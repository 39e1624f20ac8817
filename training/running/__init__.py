"""What a training needs to run, whatever it trains: results, resuming, processes, averages, exit statuses."""
