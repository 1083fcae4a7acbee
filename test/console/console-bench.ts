import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Console, type ConsoleDeps } from '../../src/console/console.ts'
import type { ControlCalls } from '../../src/console/control-server.ts'
import { consoleOptions } from '../../src/console/options.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'
import { silentLogger } from '../../src/runtime/logger.ts'

export const FIGURES = '# HELP headrace_up Whether it runs.\n# TYPE headrace_up gauge\nheadrace_up 1\n'

/** Consoles of a core that is made up, and a folder for their files. */
export class ConsoleBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'headrace-console-'))
  /** With what the core was called to do something. */
  readonly ran: unknown[] = []
  readonly core: ControlCalls = {
    status: async () => ({ role: 'core', sources: [{ source: 'g/a', next: 7 }], alarms: [] }),
    metrics: async () => FIGURES,
    'batch.run': async args => {
      this.ran.push(args)
      if (args['job'] === 'none') throw new HeadraceError('not_found', 'there is no batch job "none"', { advice: 'Known: load.' })
      return { outcome: 'done' }
    },
    'alerts.silence': async args => {
      this.ran.push(args)
      return {}
    },
    async *tail(args) {
      for (let seq = 0; seq < Number(args['last']); seq++) yield { seq }
    },
  }
  readonly #consoles: Console[] = []

  async start(options: object = {}, deps: Partial<ConsoleDeps> = {}): Promise<string> {
    const console = new Console({
      options: consoleOptions.parse({ listen: '127.0.0.1:0', ...options }),
      stateDir: this.folder,
      sides: { core: this.core },
      version: '1.2.3',
      clock: systemClock,
      logger: silentLogger,
      ...deps,
    })
    this.#consoles.push(console)
    return console.start()
  }

  async end(): Promise<void> {
    for (const console of this.#consoles) await console.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A page that watches: what it was sent, whether it reads any more, and whether it was cut off. */
export function watch(url: string, headers: Record<string, string> = {}) {
  const page = { text: '', isEnded: false, response: undefined as IncomingMessage | undefined, end: () => sent.destroy() }
  const sent = request(url, { headers }, response => {
    page.response = response
    response.on('data', part => {
      page.text += part
    })
    response.on('close', () => {
      page.isEnded = true
    })
    response.on('error', () => {})
  })
  sent.on('error', () => {})
  sent.end()
  return page
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** Node's own client: `fetch` would not send a Host or an Origin of the caller's. */
export function ask(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { body, ...rest } = options
    const sent = request(url, rest, response => {
      const parts: Buffer[] = []
      response.on('data', part => parts.push(part))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() }),
      )
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

export async function tokenOf(url: string, headers: Record<string, string> = {}): Promise<string> {
  return (JSON.parse((await ask(`${url}/api/session`, { headers })).body) as { csrf: string }).csrf
}
