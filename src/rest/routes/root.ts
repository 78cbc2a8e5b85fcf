import { json } from '../answer.ts';
import { noBody } from '../body.ts';
import { COMPATIBLE_VERSION, VENDOR_NAME, productOf } from '../product.ts';
import { route } from '../route.ts';
import { noQuery } from './no-query.ts';

export const getRoot = route({
  method: 'GET',
  path: '/',
  about: 'Who answers here; `ADMIN` on the admin port.',
  access: 'public',
  query: noQuery,
  body: noBody,
  handle: ({ port, services }) => {
    const { full, vendorVersion } = productOf(
      services.version,
      services.settings.hideProductVersion,
    );
    return json(200, {
      ...(port === 'admin' ? { ADMIN: true } : {}),
      couchdb: 'Welcome',
      vendor: { name: VENDOR_NAME, version: vendorVersion },
      version: full,
      persistent_config: true,
      cluster_compat_version: COMPATIBLE_VERSION,
      node_uid: services.nodeUid,
    });
  },
});
