"""Problems: data sets with tasks that can be trained, built in and from installed plug-ins."""
