import { BlockList, isIP } from 'node:net';

/**
 * Addresses that the gateway never asks, whatever an administrator's URL says: link-local ones, and
 * those at which clouds give a machine its credentials. Loopback and private networks are allowed:
 * receivers stand there.
 */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4');
FORBIDDEN.addAddress('100.100.100.200', 'ipv4'); // Alibaba Cloud's metadata
FORBIDDEN.addAddress('192.0.0.192', 'ipv4'); // Oracle Cloud's
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6'); // Amazon's
// IPv4 in other clothes: compatible, translated (NAT64), 6to4. Mapped ones the list knows itself.
FORBIDDEN.addSubnet('::a9fe:0', 112, 'ipv6');
FORBIDDEN.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');
FORBIDDEN.addSubnet('2002:a9fe::', 32, 'ipv6');

/** Whether an IP address may not be asked; false for what is none. A zone (`%eth0`) may follow. */
export function isForbiddenAddress(address: string): boolean {
  const [plain = ''] = address.split('%');
  const family = isIP(plain);
  if (family === 0) return false;
  return FORBIDDEN.check(plain, family === 6 ? 'ipv6' : 'ipv4');
}

/** The host of a URL as an address, if it is one: without the brackets of IPv6. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').toLowerCase();
}
