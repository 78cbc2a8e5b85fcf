/** The states of a database (`design.md`, Databases and their states). */
export type DatabaseState = 'Starting' | 'Online' | 'Stopping' | 'Offline' | 'Resyncing';
