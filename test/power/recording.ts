import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { until } from '../support/until.ts'
import { type DiskEvent, DiskEvents } from './disk-events.ts'
import { TracedProcess } from './traced-process.ts'

export const GATEWAY = 'plant-a-1'
export const POSTED = 'posted'
export const LINES = 'lines'

/** Clients that post side by side, each its next value when it was told that the one before is stored. */
const CLIENTS = 3
/** Every so many posts a line is written to the file that the other source follows. */
const POSTS_PER_LINE = 2

/** Calls of several threads that overlap end in another order than they begin; never so many of them. */
const CALLS_AT_ONCE_MAX = 1_000

/** What a real process did to its disk, and what it had told others at each moment. */
export interface Recording {
  readonly root: string
  readonly events: readonly DiskEvent[]
  /** By the client's port: what it posted, in order; each is answered before the next one is sent. */
  readonly posted: ReadonlyMap<number, readonly string[]>
  /** What the file said at the end. */
  readonly lines: readonly string[]
  end(): void
}

/**
 * Runs `headrace up` on a webhook and a file, from an empty directory, as often as there are `runs`: each ends by kill -9, and the next one goes on.
 * All that it does to its files is in the recording.
 */
export async function record(options: { runs: number; posts: number; nodeArgs?: readonly string[] }): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-traced-'))
  const root = join(folder, 'state')
  const port = await freePort()
  const lines: string[] = []
  const file = join(folder, 'lines')
  writeFileSync(file, '')
  writeFileSync(join(folder, 'p.yaml'), pipeline(port, file))
  const events: DiskEvent[] = []
  const disk = new DiskEvents(root)
  const posted = new Map<number, string[]>()
  for (let run = 0; run < options.runs; run++) {
    const trace = join(folder, `trace-${run}`)
    const process = new TracedProcess({
      trace,
      log: join(folder, 'log'),
      args: ['up', join(folder, 'p.yaml'), '--state', root, '--gateway', GATEWAY],
      nodeArgs: options.nodeArgs ?? [],
    })
    try {
      await until('the webhook listens', () => isListening(port, posted, `hello-${run}`), 60_000)
      await Promise.all(
        Array.from({ length: CLIENTS }, async (_, client) => {
          const agent = new Agent({ keepAlive: true, maxSockets: 1 })
          for (let at = 0; at < options.posts / CLIENTS; at++) {
            await post(port, agent, `${run}-${client}-${at}`, posted)
            if (at % POSTS_PER_LINE !== 0) continue
            const line = `line ${lines.length} of run ${run}`
            lines.push(line)
            appendFileSync(file, `${line}\n`)
          }
          agent.destroy()
        }),
      )
    } finally {
      await process.kill9()
    }
    events.push(...disk.read(trace, (events.at(-1)?.ended ?? 0) + CALLS_AT_ONCE_MAX))
  }
  return { root, events, posted, lines, end: () => rmSync(folder, { recursive: true, force: true }) }
}

function pipeline(port: number, file: string): string {
  return `pipeline: plant
durability: 0
sources:
  ${POSTED}:
    webhook: { listen: "127.0.0.1:${port}", path: / }
  ${LINES}:
    file: { path: ${file}, every: 10ms }
`
}

async function isListening(port: number, posted: Map<number, string[]>, text: string): Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    await post(port, agent, text, posted)
    return true
  } catch {
    return false
  } finally {
    agent.destroy()
  }
}

/** Resolves when the answer is there. */
async function post(port: number, agent: Agent, text: string, posted: Map<number, string[]>): Promise<void> {
  const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/', agent })
  sent.once('socket', socket => {
    const note = () => {
      const own = socket.localPort
      if (own !== undefined) posted.set(own, [...(posted.get(own) ?? []), text])
    }
    if (socket.connecting) socket.once('connect', note)
    else note()
  })
  sent.end(text)
  const [response] = await once(sent, 'response')
  response.resume()
  await once(response, 'end')
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
}
