/**
 * How this product presents itself. Clients and tools of the field look for the reference's name
 * (recorded in http/welcome and http/accept-and-headers), so it stands first, as a statement of
 * compatibility; the own name stands beside it.
 */
export const COMPATIBLE_VERSION = '4.2';
const OWN_NAME = 'Tidegate';

export const VENDOR_NAME = 'Couchbase Sync Gateway';
export const REALM = VENDOR_NAME;

export interface Product {
  /** The value of `Server` and of `version` in the welcome. */
  readonly full: string;
  /** `version` of the vendor in the welcome. */
  readonly vendorVersion: string;
}

/** `hideVersion` as `api.hide_product_version`. */
export function productOf(ownVersion: string, hideVersion: boolean): Product {
  const own = hideVersion ? OWN_NAME : `${OWN_NAME}/${ownVersion}`;
  const version = hideVersion ? '' : COMPATIBLE_VERSION;
  return { full: `${VENDOR_NAME}/${version} (compatible; ${own})`, vendorVersion: version };
}
