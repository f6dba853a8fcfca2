/** What wg-quick reads, for one end of a tunnel. Keys are base64. */
export type WgConf = {
  privateKey?: string;
  /** With prefix length. */
  address: string;
  listenPort?: number;
  mtu?: number;
  peers: readonly {
    publicKey: string;
    allowedIps: readonly string[];
    /** `host:port`. */
    endpoint?: string;
    /** Seconds; 0 or absent: off. */
    persistentKeepalive?: number;
  }[];
};

/** @throws RangeError when a value could begin a line of its own. */
function line(name: string, value: string | number | undefined): string[] {
  if (value === undefined) return [];
  if (/[\p{Cc}#]/u.test(String(value))) throw new RangeError(`${name} holds a character that no line may`);
  return [`${name} = ${value}`];
}

/**
 * A wg-quick file (spec tunnel.md X9). `Table = off`: it adds no route, so that a peer's allowed IPs cannot redirect
 * the machine; no preshared key: Rosenpass sets it, and a written one would outlive its two minutes.
 */
export function wgConf({ privateKey, address, listenPort, mtu, peers }: WgConf): string {
  const own = [
    '[Interface]',
    ...(privateKey === undefined ? ['# PrivateKey = (not exported)'] : line('PrivateKey', privateKey)),
    ...line('Address', address),
    ...line('ListenPort', listenPort),
    ...line('MTU', mtu),
    'Table = off',
  ];
  const others = peers.map((peer) => [
    '[Peer]',
    '# the preshared key is set by Rosenpass',
    ...line('PublicKey', peer.publicKey),
    ...line('AllowedIPs', peer.allowedIps.join(', ')),
    ...line('Endpoint', peer.endpoint),
    ...line('PersistentKeepalive', peer.persistentKeepalive),
  ]);
  return `${[own, ...others].map((section) => section.join('\n')).join('\n\n')}\n`;
}
