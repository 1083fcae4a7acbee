/** What a stream is asked to do with its events, by name. */
export type Hearers = Readonly<Record<string, (data: string) => void>>

export interface StreamOptions {
  readonly hearers: Hearers
  /** The connection is lost; the browser tries again by itself, unless it gave up for good. */
  readonly lost?: (isForGood: boolean) => void
}

/**
 * Server-sent events while somebody looks: a page in the background lets its streams go, since a browser has six connections to a server for
 * all of its tabs, and takes them up when it is looked at again.
 */
export class Stream {
  readonly #path: string
  readonly #options: StreamOptions
  #events: EventSource | undefined
  readonly #onVisibility = () => this.#follow()

  constructor(path: string, options: StreamOptions) {
    this.#path = path
    this.#options = options
    document.addEventListener('visibilitychange', this.#onVisibility)
    this.#follow()
  }

  end(): void {
    document.removeEventListener('visibilitychange', this.#onVisibility)
    this.#events?.close()
  }

  #follow(): void {
    if (document.visibilityState === 'hidden') {
      this.#events?.close()
      this.#events = undefined
    } else this.#events ??= this.#open()
  }

  #open(): EventSource {
    const { hearers, lost } = this.#options
    const events = new EventSource(this.#path)
    for (const [name, hear] of Object.entries(hearers))
      events.addEventListener(name, event => hear((event as MessageEvent<string>).data))
    events.addEventListener('error', () => lost?.(events.readyState === EventSource.CLOSED))
    return events
  }
}
