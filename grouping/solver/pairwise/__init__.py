"""Search among all groups without listing them, when losses are estimated from single tasks and pairs."""
