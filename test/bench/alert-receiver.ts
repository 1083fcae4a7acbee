/** A webhook's receiver in a thread of its own: where it shares one with what feeds the log, an alert that came waits for that, and it is measured as the core's. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

/** An alert as it was posted, and the monotonic time at which all of it was there, ms: {@link monotonicMs}. */
export interface ReceivedAlert {
  readonly analyser: string
  readonly source: string
  readonly time_ms: number
  readonly atMs: number
}

/** The same clock in every thread of a process, which `performance.now()` is not. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export class AlertReceiver {
  readonly #worker: Worker
  readonly port: number

  private constructor(worker: Worker, port: number) {
    this.#worker = worker
    this.port = port
  }

  static async start(): Promise<AlertReceiver> {
    const worker = new Worker(fileURLToPath(import.meta.url))
    const port = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
    return new AlertReceiver(worker, port)
  }

  /** All that came so far. */
  async received(): Promise<readonly ReceivedAlert[]> {
    const received = new Promise<readonly ReceivedAlert[]>(resolve => this.#worker.once('message', resolve))
    this.#worker.postMessage('what came')
    return received
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

function receive(port: NonNullable<typeof parentPort>): void {
  const alerts: ReceivedAlert[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    const atMs = monotonicMs()
    response.end()
    const { analyser, source, time_ms } = JSON.parse(body) as ReceivedAlert
    alerts.push({ analyser, source, time_ms, atMs })
  })
  server.listen(0, '127.0.0.1', () => port.postMessage((server.address() as AddressInfo).port))
  port.on('message', () => port.postMessage(alerts))
}

if (!isMainThread && parentPort) receive(parentPort)
