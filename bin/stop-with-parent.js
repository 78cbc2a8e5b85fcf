// Loaded before the gateway: when its parent is gone, it stops as if told to.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// NOTE: the channel tells of the parent's end; it must not keep a finished gateway alive.
process.channel?.unref();
