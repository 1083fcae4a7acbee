import type { Alert, Derived, Output, Watch } from '../../analyser/analyser.ts'
import { subjectKey } from '../../analyser/analyser.ts'
import type { SampleRun } from '../../analyser/sample-run.ts'
import type { Fields } from '../../record/fields.ts'
import { HeadraceError } from '../../runtime/errors.ts'
import type { SourceId } from '../../runtime/names.ts'
import type { AnalyserDefinition } from './definition.ts'
import { KnownFields } from './known-fields.ts'
import { type KeptWatch, type OutgoingAlert, outgoingAlert, type Positions, StateText, watchKey } from './state-entry.ts'

/** State of one watch as JSON, or what it says at once: with its offsets it has to fit one message of the log, a million bytes. */
const CHARACTERS_MAX = 900 * 1024
/** What it said is kept in one entry, which has to fit such a message as well, compressed and with what the next batch makes it say: past that it is kept first. */
const SAID_MUCH_CHARACTERS = 512 * 1024

/** What a watch said and was not kept yet: as it was when it was said, whatever becomes of the objects that it was said with. */
export interface Said {
  readonly alerts: { readonly alert: Alert; readonly outgoing: OutgoingAlert }[]
  /** Values are JSON. */
  readonly derived: { readonly timeMs: number; readonly value: string }[]
}

/** A watch that runs, with what is needed to keep it. */
export class RunningWatch implements Output {
  readonly definition: AnalyserDefinition
  /** `<gateway>/<source>`, or `*`. */
  readonly subject: string
  readonly #watch: Watch
  readonly #fields = new KnownFields()
  /** Records below were seen: a restart reads the sources of all watches from the lowest. */
  readonly #floors = new Map<string, number>()
  /** Most watches have one source: its floor is at hand, since it is asked for and moved with every batch, for every watch. */
  #only: string | undefined
  #onlyFloor = 0
  readonly said: Said = { alerts: [], derived: [] }
  #failure: unknown
  /** Monotonic ms since when something is not kept; undefined where all is. */
  unkeptSinceMs: number | undefined
  /** Characters of JSON that {@link said} takes in what is kept. */
  saidCharacters = 0
  readonly #onSaid: (watch: RunningWatch) => void

  /** `onSaid`: called when it says something for the first time since all was kept that it said. */
  constructor(
    definition: AnalyserDefinition,
    source: SourceId | null,
    kept: KeptWatch | undefined,
    onSaid: (watch: RunningWatch) => void = () => {},
  ) {
    this.definition = definition
    this.#onSaid = onSaid
    this.subject = subjectKey(source)
    this.#watch = definition.open({ analyser: definition.name, id: definition.id, source, unitOf: this.#fields.unitOf })
    for (const [key, next] of Object.entries(kept?.at ?? {})) this.setFloor(key, next)
    if (kept && kept.fingerprint === definition.fingerprint && kept.state !== null) this.#watch.restore(kept.state)
  }

  get key(): string {
    return watchKey(this.definition.id, this.subject)
  }

  /** What it threw: it stands still from then on, where it was last kept. */
  get failure(): unknown {
    return this.#failure
  }

  get late(): number {
    return this.#watch.late ?? 0
  }

  get cut(): number {
    return this.#watch.cut ?? 0
  }

  get hasSaid(): boolean {
    return this.said.alerts.length > 0 || this.said.derived.length > 0
  }

  /** So much that it is to be kept before it is shown more. */
  get hasSaidMuch(): boolean {
    return this.saidCharacters >= SAID_MUCH_CHARACTERS
  }

  /** Next sequence of a source that it has not seen. */
  floor(source: string): number | undefined {
    return source === this.#only ? this.#onlyFloor : this.#floors.get(source)
  }

  /** Never back: a source may be read from further behind for the sake of another watch. */
  setFloor(source: string, next: number): void {
    this.#only ??= source
    if (source !== this.#only) this.#floors.set(source, Math.max(next, this.#floors.get(source) ?? 0))
    else if (next > this.#onlyFloor) this.#onlyFloor = next
  }

  /** What is known of the fields of a source that it sees. */
  know(source: string, fields: Fields): void {
    this.#fields.know(source, fields)
  }

  /** Records of one source, in order. It stands still at the first at which it throws. */
  take(run: SampleRun, monotonicMs: number): void {
    const [first] = run.samples
    if (!first || this.#failure !== undefined) return
    const floor = this.floor(first.key) ?? 0
    const watch = this.#watch
    try {
      if (first.sequence >= floor && watch.run?.(run, this)) {
        this.unkeptSinceMs ??= monotonicMs
        return
      }
      for (const sample of run.samples) {
        if (sample.sequence < floor) continue
        watch.sample(sample, this)
        this.unkeptSinceMs ??= monotonicMs
      }
    } catch (error) {
      this.#failure = error
    }
  }

  tick(nowMs: number, monotonicMs: number): void {
    if (this.#failure !== undefined) return
    try {
      this.#watch.tick(nowMs, this)
      if (this.hasSaid) this.unkeptSinceMs ??= monotonicMs
    } catch (error) {
      this.#failure = error
    }
  }

  /** Throws what cannot be JSON, for whoever says it: that is its failure, and not that of all others who are kept with it. */
  alert(alert: Alert): void {
    const outgoing = outgoingAlert(alert)
    refuseLong('an alert', outgoing.json)
    if (!this.hasSaid) this.#onSaid(this)
    this.saidCharacters += outgoing.json.length * this.definition.sinks.length
    this.said.alerts.push({ alert: { ...alert, values: { ...alert.values } }, outgoing })
  }

  get dropsRecords(): boolean {
    return this.definition.stream === undefined
  }

  /** What goes nowhere is not kept either: with each window's end all its watches would be. */
  record({ timeMs, value }: Derived): void {
    if (this.dropsRecords) return
    const json = JSON.stringify(value) ?? 'null'
    refuseLong('a record', json)
    if (!this.hasSaid) this.#onSaid(this)
    this.saidCharacters += json.length
    this.said.derived.push({ timeMs, value: json })
  }

  /** Undefined where it cannot be kept: then the watch has failed. */
  snapshot(): StateText | undefined {
    try {
      const json = JSON.stringify(this.#watch.snapshot()) ?? 'null'
      refuseLong('its state', json)
      return new StateText(json)
    } catch (error) {
      this.#failure = error
      return undefined
    }
  }

  positions(): Positions {
    const others = Object.fromEntries(this.#floors)
    return this.#only === undefined ? others : { [this.#only]: this.#onlyFloor, ...others }
  }
}

function refuseLong(what: string, json: string): void {
  if (json.length > CHARACTERS_MAX)
    throw new HeadraceError('limit_exceeded', `${what} has ${json.length} characters of JSON; ${CHARACTERS_MAX} are allowed`)
}

/** What the watch is about that sees a source's records. */
export function watchSubject(definition: AnalyserDefinition, source: SourceId): SourceId | null {
  return definition.per === 'all' ? null : source
}
