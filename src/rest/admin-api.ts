import { KEYSPACE_ROUTES } from './public-api.ts';
import type { Route } from './route.ts';
import { getAllDbs } from './routes/all-dbs.ts';
import { getChannelHistory, postCompactChannelHistory } from './routes/channel-history.ts';
import { getCompact, postCompact } from './routes/compact.ts';
import {
  deleteImportFilter,
  deleteSyncFunction,
  getImportFilter,
  getSyncFunction,
  putImportFilter,
  putSyncFunction,
} from './routes/config-function.ts';
import { getConfigHistory, postConfigRollback } from './routes/config-history.ts';
import { postConfigReload } from './routes/config-reload.ts';
import { getDatabaseConfig, postDatabaseConfig, putDatabaseConfig } from './routes/config.ts';
import { getAudit, postAudit, putAudit } from './routes/audit.ts';
import { getClusterInfo } from './routes/cluster-info.ts';
import { deleteDatabase, putDatabase } from './routes/database.ts';
import { deleteDesign, getDesign, putDesign } from './routes/design.ts';
import { postImportFilterDryRun, postSyncFunctionDryRun } from './routes/dry-run.ts';
import { getDumpChannel } from './routes/dump-channel.ts';
import {
  deleteDeadLetter,
  getDeadLetter,
  getDeadLetters,
  getEvents,
  postReplay,
  postResend,
} from './routes/events.ts';
import { getExplain } from './routes/explain.ts';
import { getImport, getImportRejected } from './routes/import.ts';
import { postOffline, postOnline } from './routes/online-offline.ts';
import { getAttachmentMigration, getIndexInit } from './routes/migrations.ts';
import { getOpenApi, getOpenApiAsset, getOpenApiPage } from './routes/openapi.ts';
import { postPurge } from './routes/purge.ts';
import { getRaw } from './routes/raw.ts';
import { getResync, postResync } from './routes/resync.ts';
import { getRevTree } from './routes/revtree.ts';
import { getExpvar, getStats } from './routes/expvar.ts';
import { getLogging, postLogging, putLogging } from './routes/logging.ts';
import { deleteRole, getRole, listRoles, postRole, putRole } from './routes/role.ts';
import { getServerConfig, putServerConfig } from './routes/server-config.ts';
import {
  deleteAdminSession,
  deleteUserSession,
  deleteUserSessions,
  getAdminSession,
  postAdminSession,
} from './routes/session.ts';
import { getStatus } from './routes/status.ts';
import { getDiagnostics } from './routes/sgcollect.ts';
import { deleteUser, getUser, listUsers, postUser, putUser } from './routes/user.ts';

/** Where administrators connect; every request is an administrator's. */
export const ADMIN_API: readonly Route[] = [
  ...KEYSPACE_ROUTES,
  getServerConfig,
  putServerConfig,
  postConfigReload,
  getLogging,
  postLogging,
  putLogging,
  getStatus,
  getExpvar,
  getStats,
  getOpenApi,
  getOpenApiPage,
  getOpenApiAsset,
  getAllDbs,
  putDatabase,
  deleteDatabase,
  getDatabaseConfig,
  postDatabaseConfig,
  putDatabaseConfig,
  getConfigHistory,
  postConfigRollback,
  getSyncFunction,
  putSyncFunction,
  deleteSyncFunction,
  getImportFilter,
  putImportFilter,
  deleteImportFilter,
  postOffline,
  postOnline,
  getEvents,
  postReplay,
  getDeadLetters,
  getDeadLetter,
  deleteDeadLetter,
  postResend,
  getImport,
  getImportRejected,
  getAudit,
  postAudit,
  putAudit,
  getClusterInfo,
  getDiagnostics,
  getResync,
  postResync,
  getCompact,
  postCompact,
  getIndexInit,
  getAttachmentMigration,
  getDesign,
  putDesign,
  deleteDesign,
  postPurge,
  getRaw,
  getRevTree,
  getDumpChannel,
  getChannelHistory,
  postCompactChannelHistory,
  getExplain,
  postSyncFunctionDryRun,
  postImportFilterDryRun,
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
