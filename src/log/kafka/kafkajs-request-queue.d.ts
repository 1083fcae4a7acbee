declare module 'kafkajs/src/network/requestQueue/index.js' {
  /** What is used of the queue of requests of one of kafkajs's connections. */
  export default class RequestQueue {
    constructor(options: object)
    readonly pending: readonly unknown[]
    /** Wall clock, ms; below it the broker wants to be left in peace. */
    readonly throttledUntil: number
    throttleCheckTimeoutId: NodeJS.Timeout | null
    push(request: object): void
    fulfillRequest(answer: { correlationId: number; payload: Buffer; size: number }): void
    maybeThrottle(forMs: number): void
    checkPendingRequests(): void
    scheduleCheckPendingRequests(): void
  }
}
