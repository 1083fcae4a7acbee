import { readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { connect as connectTls } from 'node:tls'
import { ATTACKS } from '../fuzz/harness/attacks.ts'
import { HostilePeer } from '../fuzz/harness/hostile-peer.ts'
import { SeededRandom } from '../support/random.ts'

/** What a process of attackers is told. */
export interface AttackSetup {
  readonly port: number
  /** Peers at once. */
  readonly peers: number
  readonly seed: number
  /** Addresses beside 127.0.0.1 from which every other one comes. */
  readonly addresses: number
  /** PEM files: a certificate of another authority, and one that was stolen from a gateway. */
  readonly foreign: { readonly cert: string; readonly key: string }
  readonly stolen: { readonly cert: string; readonly key: string }
}

/** How many attacks there were, by what they were. */
export type AttackReport = Readonly<Record<string, number>>

/** Below the core's, on one machine with it: what is measured is what they do to the core, and not who gets a processor. */
const PRIORITY = 19
/** How often it is told how many there were, ms. */
const REPORT_EVERY_MS = 250
/** A record header of TLS that announces a greeting of 16 KiB (RFC 8446, 5.1), of which little comes. */
const HALF_A_GREETING = Buffer.from([0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc, 0x03, 0x03, 1, 2, 3, 4, 5, 6, 7, 8])

const { port, peers, seed, addresses, foreign, stolen } = JSON.parse(process.argv[2] ?? '{}') as AttackSetup
const random = new SeededRandom(seed)
const read = ({ cert, key }: { cert: string; key: string }) => ({ cert: readFileSync(cert), key: readFileSync(key) })
const shown = { foreign: read(foreign), stolen: read(stolen) }

function from(): { host: string; port: number; localAddress: string } {
  const localAddress = random.next() < 0.5 ? '127.0.0.1' : `127.0.1.${random.between(1, addresses)}`
  return { host: '127.0.0.1', port, localAddress }
}

const secured = (more: object = {}): Socket => connectTls({ ...from(), rejectUnauthorized: false, ...more })
const said = () => random.pick(ATTACKS)

/** Each connects in its own way, says something, and stays for as long as it is let. */
const KINDS: Readonly<Record<string, { socket: () => Socket; says: () => readonly Buffer[] }>> = {
  'says nothing': { socket: () => connectTcp(from()), says: () => [] },
  'begins TLS and stops': { socket: () => connectTcp(from()), says: () => [HALF_A_GREETING] },
  'speaks no TLS': { socket: () => connectTcp(from()), says: said },
  'without a certificate': { socket: () => secured(), says: said },
  'without a certificate, silent': { socket: () => secured(), says: () => [] },
  'with a certificate of another authority': { socket: () => secured(shown.foreign), says: said },
  'with a stolen certificate': { socket: () => secured(shown.stolen), says: said },
}

const attacks: Record<string, number> = Object.fromEntries(Object.keys(KINDS).map(kind => [kind, 0]))
const standing = new Set<HostilePeer>()
let over = false

async function attackAgainAndAgain(): Promise<void> {
  while (!over) {
    const [name, kind] = random.pick(Object.entries(KINDS))
    const peer = new HostilePeer(port, { reads: random.next() < 0.5, socket: kind.socket() })
    standing.add(peer)
    attacks[name] = (attacks[name] ?? 0) + 1
    await peer.write(...kind.says())
    await peer.gone
    standing.delete(peer)
  }
}

process.on('message', () => {
  over = true
  for (const peer of standing) peer.end()
  process.exit(0)
})
process.on('disconnect', () => process.exit(0))
setPriority(PRIORITY)
setInterval(() => process.send?.(attacks), REPORT_EVERY_MS)
for (let peer = 0; peer < peers; peer++) void attackAgainAndAgain()
