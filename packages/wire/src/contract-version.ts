/**
 * The version of everything in this package that another process sees: schemas, errors, operations, link kinds. The test
 * beside this file pins their hash: changing the contract fails until the version is raised and a line is added.
 */
export const contractVersion = 6;

export const contractHistory: ReadonlyArray<{ version: number; hash: string; note: string }> = [
  { version: 1, hash: 'd060c9f534e13d41c2f18d8c4de4b9d79899af4fd70b11b4af08536823bc3922', note: 'the first contract' },
  {
    version: 2,
    hash: 'ede904bc77b4bdd3b6230511251f15253b99f204894138f685fa951776f1cead',
    note: 'errors of a node: path_not_exposed, node_busy, endpoint_unhealthy',
  },
  {
    version: 3,
    hash: 'f0ff7e798b85ad8f34eb73b331588f99fbad54412ea3b53ed3fd15c857d6e317',
    note: 'the fleet: frames, channels, sessions, and the operations of labd',
  },
  {
    version: 4,
    hash: '0c72fe47e0023d0fb0e98551ddfe1e7bb74125c4f1c46ba27689a8350b1d44e2',
    note: 'nodes: tokens, registration and heartbeats; the hub of the tunnel',
  },
  {
    version: 5,
    hash: '13779bf473893dad8f165d314f869f3b6007f9f9ef16a23049df56c9c974b246',
    note: 'verification: the block, runs of the arena, the sandbox, suites, preference data',
  },
  {
    version: 6,
    hash: 'bcc628bffc48084697665636871d2f06cc069abca638f7b47317f3b647e8a71b',
    note: 'leaderboards with votes of people and at equal style; news for connected agents, and how they spread a return; what is wrong with the interface of a tunnel, what is exposed without isolation, and its next WireGuard keys; sums of copies; replicas tell of denials; the preshared key of a client of other make; what variations cost, and what verifiers run in; filtered lists; how exchanges of a tunnel ended, and all that was dropped; runs of the sandbox as clients of the original read them; Parquet exports; nodes through the replica whose hub they have; login tokens made once for a key; tool servers without the counts of other tenants; the scope to operate the arena; whether an answer that fails is given, left to the gateway',
  },
];
