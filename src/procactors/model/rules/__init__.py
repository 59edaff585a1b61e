"""What each event does to a process, by phase of its life; `procactors.model.state` applies these rules."""
