import type { FuzzTarget } from './fuzz-target.ts';
import { configText } from './targets/config.ts';
import { documents, jsonScanner } from './targets/json.ts';
import { multipartReader, partHeaders } from './targets/multipart.ts';
import { byteRanges, credentials, identifiers, sequenceIds } from './targets/request.ts';
import { functionAnswers, wireFrames } from './targets/sandbox.ts';
import { metadataText } from './targets/stored.ts';

/** Every parser of what comes from outside. */
export const TARGETS: readonly FuzzTarget[] = [
  jsonScanner,
  documents,
  multipartReader,
  partHeaders,
  identifiers,
  sequenceIds,
  byteRanges,
  credentials,
  configText,
  metadataText,
  wireFrames,
  functionAnswers,
];
