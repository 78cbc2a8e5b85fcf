import type { Route } from './route.ts';
import { getAllDocs, postAllDocs } from './routes/all-docs.ts';
import { deleteAttachment, getAttachment, putAttachment } from './routes/attachment.ts';
import { postBulkDocs } from './routes/bulk-docs.ts';
import { postBulkGet } from './routes/bulk-get.ts';
import { getChanges, postChanges } from './routes/changes.ts';
import { getDatabase, putDatabaseInPublic } from './routes/database.ts';
import { refuseDesign, refuseViews } from './routes/design.ts';
import { deleteDocument, getDocument, postDocument, putDocument } from './routes/document.ts';
import { postEnsureFullCommit } from './routes/ensure-full-commit.ts';
import { deleteLocal, getLocal, putLocal } from './routes/local.ts';
import { getPing } from './routes/ping.ts';
import { postRevsDiff } from './routes/revs-diff.ts';
import { getRoot } from './routes/root.ts';
import { deletePublicSession, getSession, postPublicSession } from './routes/session.ts';

/** Documents and feeds: the same on the public and on the admin port. */
export const KEYSPACE_ROUTES: readonly Route[] = [
  getRoot,
  getPing,
  getDatabase,
  postDocument,
  getDocument,
  putDocument,
  deleteDocument,
  ...refuseViews,
  getAttachment,
  putAttachment,
  deleteAttachment,
  getLocal,
  putLocal,
  deleteLocal,
  getAllDocs,
  postAllDocs,
  postBulkDocs,
  postBulkGet,
  postRevsDiff,
  getChanges,
  postChanges,
  postEnsureFullCommit,
  getSession,
];

/** Where clients connect. */
export const PUBLIC_API: readonly Route[] = [
  ...KEYSPACE_ROUTES,
  ...refuseDesign,
  putDatabaseInPublic,
  postPublicSession,
  deletePublicSession,
];
