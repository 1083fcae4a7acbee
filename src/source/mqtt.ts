import type { IClientOptions, MqttClient } from 'mqtt'
import { z } from 'zod'
import { pause, settledWithin } from '../runtime/clock.ts'
import { messageOf } from '../runtime/errors.ts'
import { readNamedFile } from '../runtime/named-file.ts'
import { duration } from '../runtime/units.ts'
import { clientTlsOptions, readClientTls, tlsWithin } from './client-tls.ts'
import { acknowledgeWhenStored } from './mqtt-acknowledgements.ts'
import { type ChosenClientId, chooseClientId, clientIdOf } from './mqtt-client-id.ts'
import { whyNoConnection } from './mqtt-reasons.ts'
import { subscribed } from './mqtt-subscribed.ts'
import { topicMatcher, withoutCovered } from './mqtt-topics.ts'
import { PauseGate } from './pause-gate.ts'
import { defineSource, pathsWithin, type Source, type SourceContext } from './source.ts'

const CONNECT_AGAIN_AFTER_MS = 2_000
const CONNECT_LIMIT_MS = 10_000
/** A subscription that the broker refused is asked for again: somebody may have allowed it, ms. */
const SUBSCRIBE_AGAIN_AFTER_MS = 15_000
/** How long a stop waits for what was taken to be stored, and for the goodbye, ms. */
const END_LIMIT_MS = 2_000
const PROTOCOL = { '3.1.1': 4, '5': 5 } as const
/** Messages that a broker may have under way before it waits for acknowledgements (MQTT 5 "Receive Maximum"). */
const UNACKNOWLEDGED_MAX = 1_000
/** MQTT 5, 3.8.3.1, "Retain Handling": what a broker retains comes with a subscription that is new, and not with one that is made again. */
const RETAINED_IF_NEW = 1
const PORT_MAX = 65_535
/*
  MQTT 5 and 3.1.1, 4.7
    filter = level ("/" level)*     level = "+" | text without + and #     the last one may be "#"
*/
const TOPIC_FILTER = /^(?:\+|[^+#/]*)(?:\/(?:\+|[^+#/]*))*(?:(?<=^|\/)#)?$/
/** The record header that says on which topic a message came. */
const TOPIC_HEADER = 'mqtt_topic'

export const mqttOptions = z
  .strictObject({
    url: z
      .string()
      .regex(/^(mqtts?|wss?):\/\/[^\s/]+/, 'has to be mqtt://host:port, mqtts://, ws:// or wss://')
      .refine(isAddress, `has no host, or no port from 1 to ${PORT_MAX}`)
      .describe('The broker.'),
    topics: z
      .array(
        z
          .string()
          .min(1)
          .max(65_535)
          .regex(
            TOPIC_FILTER,
            'is no topic: + takes the place of a whole level, such as plant/+/temp, and # that of the last ones, such as plant/#',
          ),
      )
      .min(1)
      .max(1_000)
      .describe('What is subscribed to; + and # as in MQTT, $share/group/… too.'),
    qos: z
      .union([z.literal(0), z.literal(1)])
      .default(1)
      .describe('1: the broker keeps each message until it is stored here. 0: what comes while nothing listens is lost.'),
    version: z.enum(['3.1.1', '5']).default('5').describe('Version of the protocol.'),
    client_id: z
      .string()
      .regex(/^[0-9a-zA-Z_-]{1,65}$/, 'has to be 1 to 65 letters, digits, - and _')
      .optional()
      .describe(
        'By which the broker knows the session; headrace-<gateway>_<source>, unless set (with - in the place of _ where the broker keeps a session of version 0.1 under that), with a digest at the end where that is longer than 65. Set one of at most 23 letters and digits where a broker takes no other.',
      ),
    session: z
      .enum(['persistent', 'clean'])
      .default('persistent')
      .describe('Whether the broker keeps what comes while nobody listens.'),
    session_expiry: duration({ min: '1s', max: '3650d' })
      .default(7 * 86_400_000)
      .describe('With version 5: how long it keeps the session.'),
    keep_alive: duration({ min: '1s', max: '18h' }).default(30_000).describe('How soon a dead connection is noticed.'),
    username: z.string().optional().describe('User at the broker.'),
    password_file: z.string().min(1).optional().describe('File with the password; read anew for each connection.'),
    tls: clientTlsOptions.optional().describe('For mqtts:// and wss://; read anew for each connection.'),
  })
  .refine(
    ({ url, tls }) => tls === undefined || /^(mqtts|wss):/.test(url),
    'has `tls`, so that `url` has to be mqtts:// or wss://',
  )
export type MqttOptions = z.output<typeof mqttOptions>

/** What the library would throw at, outside of anybody's reach. */
function isAddress(url: string): boolean {
  const { hostname, port } = URL.parse(url) ?? { hostname: '', port: '' }
  return hostname !== '' && port !== '0'
}

/**
 * Subscribes at a broker. A message of QoS 1 is acknowledged when its record is on disk, so that what a power cut takes is sent again; what was stored and
 * not yet acknowledged comes twice then, as QoS 1 allows.
 */
class MqttSource implements Source {
  readonly #options: MqttOptions
  readonly #context: SourceContext
  readonly #gate = new PauseGate()
  readonly #stopping = new AbortController()
  readonly #chosen: ChosenClientId
  #client: MqttClient | undefined
  /** Under which id the records come has been noted with one of them. */
  #isNoted = false
  #connecting: Promise<void> | undefined

  constructor(options: MqttOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.#chosen = this.#choose()
  }

  async start(): Promise<void> {
    this.#connecting = this.#connect()
  }

  async #connect(): Promise<void> {
    // Loaded where a broker is read: it takes its time and memory.
    const { default: mqttLibrary } = await import('mqtt')
    const credentials = await this.#credentialsWhenThere()
    if (!credentials) return
    const client = mqttLibrary.connect(this.#options.url, { ...this.#connection(), ...credentials })
    this.#client = client
    client.on('reconnect', () => this.#renewCredentials(client))
    acknowledgeWhenStored(client, () => this.#context.stored())
    const isWanted = topicMatcher(this.#options.topics)
    client.handleMessage = (packet, done) => {
      const { topic, payload, retain } = packet as { topic: string; payload: Buffer | string; retain: boolean }
      if (!isWanted(topic)) {
        // With the session the broker keeps what was once subscribed to, also when the pipeline file does not name it any more.
        this.#context.trouble('a message of a topic that is not subscribed to any more')
        done()
        return
      }
      const { stream } = client
      const take = () => {
        const headers = [{ key: TOPIC_HEADER, value: Buffer.from(topic) }]
        if (retain) headers.push({ key: 'mqtt_retained', value: Buffer.from('true') })
        this.#context.message(Buffer.from(payload as Buffer), this.#context.clock.wallMs(), headers, this.#note(client))
        // One that waited for room until its connection was gone is not acknowledged on the next.
        done(client.stream === stream ? undefined : new Error('its connection is gone'))
      }
      // Until there is room nothing more is read from the connection: the broker keeps it.
      if (this.#gate.isClosed) void this.#gate.passed().then(take)
      else take()
    }
    client.on('connect', ({ sessionPresent }) => {
      if (sessionPresent || !this.#changesId(client)) void this.#subscribe(client)
    })
    let why: unknown
    client.on('error', error => {
      why = error
    })
    client.on('disconnect', packet => {
      why = packet
    })
    client.on('close', () => {
      const reason = whyNoConnection(why, client.options.clientId, this.#options.tls, this.#context.clock.wallMs())
      this.#context.state('waiting', `${this.#options.url}: ${reason}`)
      why = undefined
    })
  }

  #choose(): ChosenClientId {
    const { client_id: id, session, qos } = this.#options
    const { source } = this.#context
    if (id !== undefined) return { id, otherwise: undefined }
    // Nothing is kept for it: there is nothing to find again.
    if (session === 'clean' || qos === 0) return { id: clientIdOf(source), otherwise: undefined }
    return chooseClientId(source, this.#context.bookmark(), this.#context.recordsStored() > 0)
  }

  /** Whether the broker keeps nothing under the former id, so that the connection is made again under the other one. */
  #changesId(client: MqttClient): boolean {
    const { otherwise } = this.#chosen
    if (otherwise === undefined || client.options.clientId === otherwise) return false
    client.options.clientId = otherwise
    // A session that was just made under the former id is nobody's.
    client.end(false, this.#options.version === '5' ? { properties: { sessionExpiryInterval: 0 } } : {}, () => {
      if (!this.#stopping.signal.aborted) client.reconnect()
    })
    return true
  }

  /** A bookmark with the first record, by which it is known after a restart under which id the session is. */
  #note(client: MqttClient): string | undefined {
    const { clientId } = client.options
    const { client_id: given, session, qos } = this.#options
    if (this.#isNoted || given !== undefined || session === 'clean' || qos === 0) return undefined
    this.#isNoted = true
    return this.#context.bookmark() === clientId ? undefined : clientId
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('stopping'))
    await this.#connecting
    const client = this.#client
    this.#client = undefined
    this.#gate.open()
    if (!client) return
    const { clock } = this.#context
    if (client.connected) await settledWithin(clock, END_LIMIT_MS, this.#context.stored())
    // A clean goodbye where it can be said; the session stays at the broker.
    await settledWithin(clock, END_LIMIT_MS, client.endAsync(!client.connected))
  }

  pause(): void {
    this.#gate.close()
  }

  resume(): void {
    this.#gate.open()
  }

  /** Their files may come later than this process, as a mounted secret does. Undefined where the source is stopped before. */
  async #credentialsWhenThere(): Promise<IClientOptions | undefined> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        return this.#credentials()
      } catch (error) {
        this.#context.state('waiting', messageOf(error))
        await pause(this.#context.clock, CONNECT_AGAIN_AFTER_MS, signal).catch(() => {})
      }
    }
    return undefined
  }

  /** Passwords and certificates are renewed while the process runs: each connection is made with those that are there then. */
  #renewCredentials(client: MqttClient): void {
    try {
      Object.assign(client.options, this.#credentials())
    } catch (error) {
      this.#context.state('waiting', messageOf(error))
    }
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const { topics, qos, url, session } = this.#options
    const { clock } = this.#context
    const { signal } = this.#stopping
    const { stream } = client
    // With each connection all is subscribed to anew, by whoever is called then.
    const isOver = () => signal.aborted || !client.connected || client.stream !== stream
    // A broker that keeps the session keeps what comes meanwhile; what it retains was read when the subscription was new, and is no new reading now.
    const isKept = session === 'persistent' && qos === 1
    const how = { qos, ...(isKept && { rh: RETAINED_IF_NEW }) }
    const distinct = withoutCovered(topics)
    const covered = topics.filter(each => !distinct.includes(each))
    /** Of what was given before, what the broker retains would come once more. */
    let asked = distinct
    while (!isOver()) {
      try {
        const refused = await subscribed(client, asked, how)
        // The broker may have them in the session that it keeps; where it refuses what covers them, they are all that there is.
        if (covered.length > 0 && refused.length === 0) await client.unsubscribeAsync(covered)
        else if (covered.length > 0 && asked === distinct) await subscribed(client, covered, how)
        asked = refused
        if (refused.length > 0) throw new Error(`the broker refuses ${refused.join(', ')}`)
        this.#context.state('reading')
        return
      } catch (error) {
        if (isOver()) return
        this.#context.state('waiting', `${url}: ${messageOf(error)}`)
      }
      await pause(clock, SUBSCRIBE_AGAIN_AFTER_MS, signal).catch(() => {})
    }
  }

  #connection(): IClientOptions {
    const { version, session, session_expiry, keep_alive } = this.#options
    const isClean = session === 'clean'
    return {
      protocolVersion: PROTOCOL[version],
      clientId: this.#chosen.id,
      clean: isClean,
      keepalive: Math.ceil(keep_alive / 1_000),
      reconnectPeriod: CONNECT_AGAIN_AFTER_MS,
      connectTimeout: CONNECT_LIMIT_MS,
      // A broker that says no may say yes later: it is starting, or a password was set right.
      reconnectOnConnackError: true,
      // Subscriptions are made on each connection, by one place: here.
      resubscribe: false,
      ...(version === '5' && {
        properties: {
          receiveMaximum: UNACKNOWLEDGED_MAX,
          ...(!isClean && { sessionExpiryInterval: Math.ceil(session_expiry / 1_000) }),
        },
      }),
    }
  }

  #credentials(): IClientOptions {
    const { username, password_file: passwordFile, tls } = this.#options
    const password = passwordFile === undefined ? undefined : readNamedFile('password', passwordFile, 'source_failed').trimEnd()
    const material = readClientTls(tls)
    return {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...material,
      // Over wss:// the library hands on certificates, and not this name.
      ...(material.servername !== undefined && { wsOptions: material }),
    }
  }
}

/** Topics of an MQTT broker. */
export const mqtt = defineSource({
  kind: 'mqtt',
  summary: 'Subscribes to topics of an MQTT broker (3.1.1 or 5); acknowledges a message once it is stored.',
  notes:
    'The topic comes along as the header `mqtt_topic`; the step `from_headers` makes a field of it, or of a part of it. With QoS 1 a message may come twice where the connection broke, or the power failed, between storing and acknowledging it; and where it lies in two topics neither of which covers the other. What the broker retains has the header `mqtt_retained`, and comes with each connection with `session: clean`, `qos: 0` or version 3.1.1. A broker has so many messages on their way and no more until the first are acknowledged (mosquitto: max_inflight_messages, 20), which is when they are stored: with `durability: 1s` that may be 20 a second. Where more come, let it have more on their way. Steps that hold records back in memory (aggregate) count as storing them.',
  options: mqttOptions,
  gives: 'messages',
  whenFull: 'block',
  within: ({ tls, ...options }, folder) => ({
    ...pathsWithin(options, folder, 'password_file'),
    ...(tls && { tls: tlsWithin(tls, folder) }),
  }),
  open: (options, context) => new MqttSource(options, context),
})
