import { KEYSPACE_ROUTES } from './public-api.ts';
import type { Route } from './route.ts';
import { getAllDbs } from './routes/all-dbs.ts';
import { getChannelHistory, postCompactChannelHistory } from './routes/channel-history.ts';
import { getDatabaseConfig } from './routes/config.ts';
import { deleteDatabase, putDatabase } from './routes/database.ts';
import { getDumpChannel } from './routes/dump-channel.ts';
import { postPurge } from './routes/purge.ts';
import { getRaw } from './routes/raw.ts';
import { getRevTree } from './routes/revtree.ts';
import { deleteRole, getRole, listRoles, postRole, putRole } from './routes/role.ts';
import {
  deleteAdminSession,
  deleteUserSession,
  deleteUserSessions,
  getAdminSession,
  postAdminSession,
} from './routes/session.ts';
import { deleteUser, getUser, listUsers, postUser, putUser } from './routes/user.ts';

/** Where administrators connect; every request is an administrator's. */
export const ADMIN_API: readonly Route[] = [
  ...KEYSPACE_ROUTES,
  getAllDbs,
  putDatabase,
  deleteDatabase,
  getDatabaseConfig,
  postPurge,
  getRaw,
  getRevTree,
  getDumpChannel,
  getChannelHistory,
  postCompactChannelHistory,
  listUsers,
  postUser,
  getUser,
  putUser,
  deleteUser,
  listRoles,
  postRole,
  getRole,
  putRole,
  deleteRole,
  postAdminSession,
  getAdminSession,
  deleteAdminSession,
  deleteUserSession,
  deleteUserSessions,
];
