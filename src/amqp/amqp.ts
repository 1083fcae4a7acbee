/**
 * What Headrace asks of AMQP 1.0, and all that link and ingress know of it. One implementation stands on rhea and mends what it does wrong;
 * a simulation can be another.
 */

/** What became of a delivery, as its receiver said. `lost`: the link or connection ended first; nobody knows. */
export type Outcome = 'accepted' | 'released' | 'modified' | 'rejected' | 'lost'

/** A message: one data section, application properties, and what is needed to answer. */
export interface Message {
  readonly body: Buffer
  readonly properties: Readonly<Record<string, string | number>>
  readonly to?: string
  readonly replyTo?: string
  readonly correlationId?: string
  readonly durable?: boolean
  /** After so long nobody is to be given it any more, ms. */
  readonly ttlMs?: number
}

/** Sends on one link in a session of its own, so that no other link can block it. */
export interface Sender {
  readonly address: string
  /** Messages that may be sent now: credit less what is queued but not yet transferred, and never past the session's bound. */
  readonly room: number
  /** Sends; `settled` is called exactly once, also when the link or the connection ends first. Throws where `room` is 0. */
  send(message: Message, settled: (outcome: Outcome, error?: PeerError) => void): void
  /** The body of a message that was accepted is needed no more: its memory may be given back. */
  letGo(body: Buffer): void
  /** Calls each time that room came where there was none. */
  onRoom(call: () => void): void
  /** Resolves when the link has ended, with the peer's error where it gave one. */
  readonly closed: Promise<PeerError | undefined>
  close(): void
}

/** A delivery that waits for its outcome. Each method may be called once; after the link is gone they do nothing. */
export interface Delivery {
  readonly message: Message
  accept(): void
  release(): void
  /** With `failed` the peer counts the attempt. */
  modify(options: { failed: boolean }): void
  reject(error: PeerError): void
  /** False when the link or connection it came on is gone: its outcome can no longer be told. */
  readonly alive: boolean
}

export interface Receiver {
  readonly address: string
  /** Lets the peer send `messages` more. Nothing is granted by itself. */
  grant(messages: number): void
  readonly closed: Promise<PeerError | undefined>
  close(error?: PeerError): void
}

export interface PeerError {
  readonly condition: string
  readonly description: string
}

/**
 * Who is at the other end, as TLS or SASL proved it. `anonymous` proves nothing where nothing is asked for; a `stranger` proves nothing where a
 * certificate is asked for, and may ask for one, and do nothing else.
 */
export interface PeerIdentity {
  readonly method: 'anonymous' | 'stranger' | 'sasl' | 'certificate'
  readonly name: string | undefined
  /** SHA-256 of the certificate, base64url. */
  readonly fingerprint?: string
  /** When TLS lets it in no more: the first end of all certificates of its chain, ms since 1970. */
  readonly endsMs?: number
}

/** One open connection. After `closed` has resolved nothing of it works any more; a new one is dialled, none is brought back. */
export interface Connection {
  readonly identity: PeerIdentity
  readonly remote: string
  /** `address: null` is the anonymous terminus: each message says in `to` where it goes. */
  openSender(options: { address: string | null; capabilities?: readonly string[]; timeoutMs: number }): Promise<Sender>
  /** `address: null` asks the peer for a dynamic one. */
  openReceiver(options: {
    address: string | null
    capabilities?: readonly string[]
    timeoutMs: number
    onDelivery: (delivery: Delivery) => void
  }): Promise<Receiver>
  readonly closed: Promise<PeerError | undefined>
  close(error?: PeerError): void
  /** Ends it at once, without a word: for a peer that does not answer. */
  destroy(): void
}

/** What a listener asks its owner when a peer attaches a link. */
export interface AttachRequest {
  readonly connection: Connection
  readonly address: string | null
}

export interface ListenHandlers {
  /** A peer connected and opened. */
  onConnection(connection: Connection): void
  /** The peer wants to send to `address`: take it, with a handler for what comes, or refuse with an error. */
  onSenderAttach(
    request: AttachRequest,
  ): { onDelivery: (delivery: Delivery) => void; onReceiver: (receiver: Receiver) => void } | { refuse: PeerError }
  /** The peer wants to receive from `address` (null: a dynamic one, which the listener names). */
  onReceiverAttach(request: AttachRequest): { onSender: (sender: Sender) => void } | { refuse: PeerError }
}

export interface Listener {
  /** Where it listens, with the port that was really taken. */
  readonly url: string
  /** Shows another certificate to whoever connects from now on. */
  renewTls(material: { cert: string; key: string; ca: string }): void
  close(): Promise<void>
}
