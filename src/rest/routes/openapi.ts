import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Answer } from '../answer.ts';
import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { jsonContent } from '../content.ts';
import { describeApi } from '../openapi.ts';
import { noSuchPath } from '../path-parameters.ts';
import { flag } from '../query.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getOpenApi = route({
  method: 'GET',
  path: '/_openapi',
  about:
    'This description, of one of the interfaces, as OpenAPI 3.1; `heads=false`: without the HEAD of ' +
    'each GET.',
  access: 'admin',
  query: z.object({ port: z.enum(['public', 'admin', 'metrics']).optional(), heads: flag }),
  body: noBody,
  answers: { 200: jsonContent(z.looseObject({ openapi: z.string() })) },
  handle: ({ query: { port = 'admin', heads = true }, services }) =>
    json(200, describeApi(services.apis[port], { port, version: services.version, heads })),
});

export const getOpenApiPage = route({
  method: 'GET',
  path: '/_openapi/',
  about: 'The description as a page.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/html': null } },
  handle: () => page('text/html; charset=utf-8', PAGE),
});

export const getOpenApiAsset = route({
  method: 'GET',
  path: '/_openapi/{asset}',
  about: 'What the page is made of.',
  access: 'admin',
  query: noQuery,
  body: noBody,
  answers: { 200: { 'text/javascript': null, 'text/css': null, 'image/png': null } },
  refuses: ['missing'],
  handle: async ({ params: { asset } }) => {
    if (asset === START) return page('text/javascript; charset=utf-8', START_SCRIPT);
    const contentType = ASSETS.get(asset);
    if (contentType === undefined) throw noSuchPath();
    return page(contentType, await readFile(fileURLToPath(new URL(asset, assetFolder()))));
  },
});

/** Of Swagger UI, as it stands in its package: nothing is loaded from elsewhere. */
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['swagger-ui-standalone-preset.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);

const assetFolder = (): URL => new URL('static/', import.meta.resolve('@fastify/swagger-ui'));

const START = 'start.js';
const PAGE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Tidegate: REST API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="icon" type="image/png" href="favicon-32x32.png">
<style>body { margin: 0 }</style>
</head>
<body>
<div id="page"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-ui-standalone-preset.js"></script>
<script src="${START}"></script>
</body>
</html>
`;

/** NOTE: of more than 145 operations that are open at once, Swagger UI 5.34 shows a few only. */
const START_SCRIPT = `window.ui = SwaggerUIBundle({
  dom_id: '#page',
  urls: ['admin', 'public', 'metrics'].map((name) => ({ name, url: '../_openapi?heads=false&port=' + name })),
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: 'StandaloneLayout',
  deepLinking: true,
  docExpansion: 'none',
  validatorUrl: null,
  // Requests of this page go to the interface that it comes from, and change it.
  supportedSubmitMethods: ['get', 'head'],
});
`;

/** Scripts of this origin alone; Swagger UI writes styles and images into the page. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

function page(contentType: string, content: string | Uint8Array): Answer {
  const chunks = (async function* once() {
    yield await Promise.resolve(content);
  })();
  return {
    status: 200,
    headers: { 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff' },
    body: { kind: 'chunks', contentType, chunks, compress: true },
  };
}
