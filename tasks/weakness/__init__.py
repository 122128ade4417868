"""What a student fails at: kinds of failures, skills, clusters, neighbours, and the quotas of the next night."""
