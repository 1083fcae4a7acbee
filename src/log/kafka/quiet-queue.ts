import type RequestQueue from 'kafkajs/src/network/requestQueue/index.js'

/** Requests that may not go yet are looked at so often where no time is known, ms; as kafkajs has it. */
const LOOK_AGAIN_MS = 10

/**
 * kafkajs 2.2.4 sets a timer after each answer, for a time that is past (its issue 1751), and again whenever that is over: from its first answer on
 * each connection wakes the process about 850 times a second for as long as it stands, 5 % of a core where nothing is to be done. A timer is needed
 * only while requests wait for a broker that wants to be left in peace.
 */
export function setTimerOnlyForWhatWaits(queue: Pick<typeof RequestQueue, 'prototype'>): void {
  queue.prototype.scheduleCheckPendingRequests = function scheduleCheckPendingRequests(this: RequestQueue): void {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return
    const inMs = this.throttledUntil - Date.now()
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null
        this.checkPendingRequests()
      },
      inMs > 0 ? inMs : LOOK_AGAIN_MS,
    )
  }
}
