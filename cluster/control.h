/* control.h - DIR/coordinator/orb.sock: one JSON line in, one JSON line out
 *
 *   {"cmd":"status"}                  {"ok":true,"state":"running","books":{...},"workers":[...],...}
 *   {"cmd":"pause"} {"cmd":"resume"} {"cmd":"stop","now":false}          {"ok":true}
 *   {"cmd":"add","urls":[...]}        {"ok":true,"added":n,"seen":n,"refused":[{"url","why"}]}
 *   {"cmd":"why","url":"..."}         {"ok":true,...the URL's life}
 *   {"cmd":"heap","slot":0|"coordinator","question":{...heap.h}}
 *                                     {"ok":true,"slot":0,"pid":n,"private_bytes":n,"base64":"...the answer's bytes"}
 * A failure is {"ok":false,"error":"..."}; the connection stays open for the next line.
 *
 * A worker has no business here: its pid (SO_PEERCRED) is refused, and so is another user.
 * Limits     16 connections, 1 MiB a line, 16 MiB an answer, 30 s without a whole line ends a connection.
 */
#ifndef ORB_CLUSTER_CONTROL_H
#define ORB_CLUSTER_CONTROL_H

#define CONTROL_MAX_CONNECTIONS 16
#define CONTROL_MAX_LINE_BYTES (1 << 20)
#define CONTROL_MAX_ANSWER_BYTES (16 << 20)
#define CONTROL_IDLE_S 30.0

#endif
