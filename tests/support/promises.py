"""Every promise of the project, by a short name, and the tests that show it."""

from __future__ import annotations

REGISTRY = {
    "two drivers live in one process": (
        "functional/test_two_drivers.py::test_each_has_its_own_adapters_bots_and_hooks",
        "functional/test_two_drivers.py::test_stopping_one_leaves_the_other",
        "process/test_serving.py::test_two_drivers_in_one_process",
    ),
    "the driver's class carries annotations only": (
        "unit/test_drivers.py::test_the_drivers_class_carries_annotations_only",
        "unit/test_drivers.py::test_two_drivers_share_neither_adapters_nor_hooks_nor_bots",
    ),
    "registering a name again keeps the first adapter": (
        "unit/test_drivers.py::test_registering_a_name_again_keeps_the_first_adapter",
    ),
    "one bot class serves two drivers": (
        "functional/test_two_drivers.py::test_one_bot_class_serves_both",
        "unit/test_adapters.py::test_a_made_bot_knows_its_own_driver_before_its_init",
    ),
    "socket bots are in bots from accept to close": (
        "functional/test_reverse_websocket.py::test_a_bot_is_there_from_accept_to_close",
    ),
    "polling bots are in bots from their first answered poll to the end of their loop": (
        "functional/test_polling_bots.py::"
        "test_a_bot_is_connected_from_its_first_answer_to_the_end_of_its_loop",
    ),
    "webhook bots live for one event": (
        "functional/test_webhook.py::test_bots_of_webhooks_live_for_one_event",
    ),
    "a late cleanup never evicts a successor": (
        "functional/test_bots.py::test_a_late_cleanup_never_evicts_a_successor",
        "functional/test_polling_bots.py::test_a_late_end_does_not_evict_the_successor",
    ),
    "hooks are ordered, sync or async, and one that fails stops nobody": (
        "unit/test_hooks.py::test_sync_and_async_hooks_are_called_and_their_results_returned",
        "unit/test_hooks.py::test_hooks_run_in_order_and_one_that_fails_stops_nobody",
        "functional/test_bots.py::test_a_hook_that_fails_is_logged_with_its_name_and_stops_nobody",
    ),
    "disconnect hooks of a bot wait for its connect hooks": (
        "functional/test_bots.py::test_disconnect_hooks_wait_for_the_connect_hooks",
        "functional/test_polling_bots.py::test_hooks_of_one_bot_run_one_after_the_other",
    ),
    "importing changes no sink and no handler": (
        "unit/test_log_console.py::test_importing_changes_nothing_and_needs_no_pydantic",
    ),
}

WEBHOOK = {
    "four paths, and 405 for other methods": (
        "functional/test_webhook.py::test_the_four_paths_of_an_adapter_take_webhooks",
        "functional/test_webhook.py::test_other_methods_get_405",
    ),
    "an unknown adapter gets 404": (
        "functional/test_webhook.py::test_what_leads_to_no_adapter_gets_404",
    ),
    "a body over the limit gets 413": (
        "functional/test_webhook_body.py::test_a_body_over_the_limit_gets_413",
        "functional/test_webhook_body.py::test_a_chunked_body_over_the_limit_gets_413",
        "functional/test_asgi.py::test_a_body_over_the_limit_gets_413",
    ),
    "a body that trickles gets 408": (
        "functional/test_webhook_body.py::test_a_body_that_trickles_gets_408",
        "functional/test_asgi.py::test_a_body_that_trickles_gets_408",
    ),
    "a refusal keeps the adapter's status, body and headers, or is 401": (
        "functional/test_webhook.py::test_an_adapters_refusal_keeps_its_status_body_and_headers",
        "functional/test_webhook.py::test_refused_without_a_response_is_401",
    ),
    "an adapter that raises gets 500 and is logged": (
        "functional/test_webhook.py::test_an_adapter_that_raises_in_check_permission_gets_500",
        "functional/test_webhook.py::test_a_handler_that_raises_is_logged_and_stops_nobody",
    ),
    "over the in-flight limit there is 503 with Retry-After": (
        "functional/test_webhook.py::test_over_the_in_flight_limit_there_is_503_with_retry_after",
    ),
    "headers are lowercased, repeated ones joined in order": (
        "unit/test_endpoints.py::test_headers_are_lowercased_and_joined_in_order",
    ),
    "the path is decoded and keeps any prefix, the query is raw": (
        "functional/test_webhook.py::test_the_path_is_decoded_and_keeps_any_prefix",
        "functional/test_webhook.py::test_the_adapter_sees_the_request_as_it_came",
        "functional/test_asgi.py::test_routing_strips_root_path_and_the_adapter_sees_it_all",
    ),
    "the body is the raw bytes": (
        "functional/test_webhook_body.py::test_in_our_own_process_nothing_is_decompressed",
        "process/test_hosts_requests.py::test_compressed_body",
    ),
    "our own limit bounds the body under every host": (
        "functional/test_webhook_body.py::test_the_hosts_own_limit_does_not_count",
        "process/test_hosts_requests.py::test_body_over_the_limit",
    ),
    "the answer does not wait for the handler": (
        "functional/test_webhook.py::test_the_answer_does_not_wait_for_the_handler",
    ),
    "adapters that register late are reachable": (
        "functional/test_webhook.py::test_an_adapter_that_registers_late_is_reachable",
    ),
}

REVERSE_WEBSOCKET = {
    "the check comes before the upgrade, and a refusal is a response": (
        "functional/test_handshake.py::test_the_adapter_sees_the_handshake_before_the_upgrade",
        "functional/test_handshake.py::test_a_refusal_is_a_response_with_the_adapters_status",
        "process/test_hosts_requests.py::test_refused_handshake",
    ),
    "pings are answered": (
        "functional/test_reverse_websocket.py::test_pings_are_answered",
        "functional/test_websocket.py::test_pings_are_answered_and_pongs_passed_over",
    ),
    "a half-open peer is gone within a bounded time": (
        "functional/test_reverse_websocket.py::test_a_silent_peer_is_gone_within_a_bounded_time",
        "functional/test_reverse_websocket.py::test_a_peer_that_answers_pings_stays",
        "process/test_hosts_requests.py::test_heartbeat",
    ),
    "a second connection is probed": (
        "functional/test_bots.py::test_probe_keeps_an_old_connection_that_lives",
        "functional/test_bots.py::test_probe_replaces_an_old_connection_that_is_silent",
        "process/test_hosts_requests.py::test_second_connection_of_a_bot",
    ),
    "who is in the middle of a message is alive": (
        "functional/test_probe.py::test_alive_is_who_is_in_the_middle_of_a_message",
        "functional/test_probe.py::test_a_bot_that_sends_an_image_is_not_replaced",
    ),
    "a close has a code and a reason that can be sent": (
        "functional/test_close_codes.py::test_a_server_closes_with_the_code",
        "functional/test_close_codes.py::test_a_client_closes_with_the_code",
        "functional/test_close_codes.py::test_a_server_refuses_any_other_code_and_goes_on",
        "functional/test_close_codes.py::test_any_reason_closes",
    ),
    "a close shows before anybody receives it": (
        "functional/test_unread_close.py::test_a_client_shows_a_close_that_nobody_has_received",
        "functional/test_unread_close.py::test_a_server_shows_it_to_who_sends",
        "functional/test_unread_close.py::test_a_loop_until_it_is_closed_loses_nothing",
    ),
    "subprotocols are offered as a setup says, and never chosen": (
        "functional/test_subprotocols.py::test_what_a_setup_names_is_offered",
        "functional/test_subprotocols.py::test_none_is_chosen_and_only_clients_that_insist_refuse",
    ),
    "or replaces the old one, or is rejected": (
        "functional/test_bots.py::test_replace_asks_nobody",
        "functional/test_bots.py::test_reject_keeps_the_old_one",
    ),
    "probes are serialised per bot": (
        "functional/test_bots.py::test_probes_of_one_id_are_serialised",
        "functional/test_bots.py::test_a_probe_of_one_id_does_not_hold_up_another",
    ),
    "a dead connection never blocks its owner's return": (
        "functional/test_bots.py::"
        "test_a_dead_connection_without_fin_does_not_block_its_owners_return",
    ),
    "where the transport cannot ping the newest wins": (
        "functional/test_bots.py::test_where_the_transport_cannot_ping_the_newest_wins",
    ),
    "text and binary frames arrive as bytes": (
        "functional/test_reverse_websocket.py::test_text_and_binary_reach_handle_message_as_bytes",
        "functional/test_websocket.py::test_the_reader_delivers_bytes_of_both_kinds",
    ),
    "invalid UTF-8 closes with 1007": (
        "functional/test_forward_websocket.py::test_invalid_text_closes_with_1007",
        "process/test_hosts_requests.py::test_text_that_is_no_text",
    ),
    "the reader never waits for a handler": (
        "functional/test_reverse_websocket.py::"
        "test_a_handler_may_wait_for_an_answer_on_the_same_socket",
        "functional/test_forward_websocket.py::test_the_reader_never_waits_for_a_handler",
    ),
    "receive converts between text and binary": (
        "functional/test_websocket.py::test_text_and_bytes_are_converted_both_ways",
    ),
    "every ending is WebSocketClosed with code and reason": (
        "functional/test_websocket_endings.py::"
        "test_every_ending_is_websocket_closed_with_code_and_reason",
        "functional/test_asgi_websocket.py::test_the_end_is_websocket_closed_with_code_and_reason",
    ),
    "an adapter's own receive is a named error while the reader runs": (
        "functional/test_reverse_websocket.py::"
        "test_while_the_reader_runs_receiving_is_a_named_error",
    ),
    "accepting a client socket does nothing": (
        "functional/test_websocket.py::test_accepting_again_does_nothing",
    ),
}

BROWSERS = {
    "a foreign Origin gets 403": (
        "functional/test_browsers.py::test_a_foreign_origin_gets_403",
        "functional/test_browsers.py::test_platforms_send_no_origin_and_get_in",
    ),
    "allowed origins get in": ("functional/test_browsers.py::test_allowed_origins_get_in",),
    "the request's own address gets in, beyond rebinding": (
        "functional/test_browsers.py::test_a_page_of_the_same_address_gets_in",
        "functional/test_browsers.py::test_a_rebound_name_is_nobodys_own",
        "unit/test_endpoints.py::test_which_origins_are_the_requests_own",
    ),
}

FORWARD = {
    "one connector, one session for each HTTP version": (
        "functional/test_session.py::test_there_is_a_session_for_each_version_on_one_connector",
        "functional/test_polling.py::test_polls_share_one_connection",
    ),
    "no cookies between bots": (
        "functional/test_session.py::test_cookies_of_one_answer_are_not_sent_with_the_next_request",
    ),
    "the session is open around all hooks": (
        "functional/test_session.py::test_the_session_is_open_while_the_hooks_run",
        "process/test_hosts_stop.py::test_answers_over_the_socket",
    ),
    "a factory is called before every attempt, and its failure is one": (
        "functional/test_forward_setups.py::test_a_factory_is_called_before_each_attempt",
        "functional/test_forward_setups.py::test_a_factory_that_fails_is_an_attempt_that_failed",
    ),
    "what may mend is retried": (
        "functional/test_forward_faults.py::test_a_fault_is_logged_and_retried",
        "functional/test_forward_faults.py::test_no_network_at_the_start_is_an_outage",
        "unit/test_backoff.py::test_the_verdict_on",
    ),
    "Retry-After is honoured": ("unit/test_backoff.py::test_the_peer_says_how_long_to_wait",),
    "other 4xx are retried at the slowest pace": (
        "functional/test_forward_websocket.py::test_what_is_no_websocket_is_retried_slowly",
        "unit/test_backoff.py::test_the_slowest_pace",
    ),
    "a setup that can never work ends its loop only": (
        "functional/test_forward_setups.py::test_a_setup_that_can_never_work_ends_its_loop_only",
        "functional/test_polling.py::test_another_http_version_ends_that_loop_only",
    ),
    "delays begin at a second, grow to the cap, with jitter": (
        "unit/test_backoff.py::test_the_first_delay_is_at_least_a_second",
        "unit/test_backoff.py::test_the_delays_double_up_to_the_cap",
        "unit/test_backoff.py::test_clients_do_not_come_back_all_at_once",
        "functional/test_forward_faults.py::test_the_delay_grows_to_the_cap",
    ),
    "a delay resets only after a stable time": (
        "functional/test_forward_reconnect.py::test_accept_then_close_does_not_spin",
        "functional/test_forward_reconnect.py::test_the_delay_begins_anew_after_a_stable_time",
    ),
    "an interval of zero is a long poll, no spin": (
        "functional/test_polling.py::test_an_interval_of_zero_is_no_spin",
        "functional/test_polling.py::test_a_long_poll_is_asked_again_at_once",
    ),
    "a traceback once per outage, and one line on recovery": (
        "functional/test_forward_faults.py::test_each_outage_has_its_traceback",
        "unit/test_backoff.py::test_the_end_of_an_outage_is_told_once",
    ),
    "handshake, idle and close have timeouts of their own": (
        "functional/test_forward_faults.py::test_a_peer_that_never_answers_is_given_up_in_time",
        "functional/test_forward_websocket.py::test_no_timeout_of_aiohttp_ends_an_idle_connection",
        "functional/test_forward_reconnect.py::"
        "test_a_peer_that_does_not_answer_the_close_delays_the_stop_no_longer",
    ),
    "stopping interrupts every wait at once": (
        "functional/test_forward_life.py::test_the_stop_interrupts_every_wait_at_once",
        "functional/test_forward_life.py::test_the_stop_interrupts_a_factory",
    ),
    "Host is never sent twice": (
        "functional/test_forward_faults.py::test_the_host_is_never_sent_twice",
    ),
    "proxies of the environment and of the setting are honoured": (
        "functional/test_proxies.py::test_proxies_of_the_environment_are_honoured",
        "functional/test_proxies.py::test_no_proxy_is_honoured",
        "functional/test_proxies.py::test_the_setting_overrides_the_environment",
        "functional/test_proxies.py::"
        "test_events_and_calls_go_through_a_socks_proxy_that_resolves_the_names",
        "unit/test_proxies.py::test_the_proxy_of_a_url",
    ),
    "a proxy that is named is used or is an error, never passed by": (
        "unit/test_proxies.py::test_a_proxy_that_cannot_be_used_is_never_passed_by",
        "functional/test_proxies.py::"
        "test_without_the_extra_there_is_a_clear_error_and_never_a_direct_connection",
    ),
    ".netrc is never read": (
        "functional/test_proxies.py::test_the_passwords_of_netrc_are_never_read",
    ),
    "what a setup holds goes to its own host only, and a POST never becomes a GET": (
        "functional/test_redirects.py::test_another_origin_gets_nothing_of_the_setups",
        "functional/test_redirects.py::test_never_from_tls_to_plain",
        "functional/test_redirects.py::test_a_post_never_becomes_a_get",
    ),
    "URLs are logged without secrets": (
        "functional/test_forward_faults.py::test_no_secret_of_a_url_is_logged",
        "unit/test_log.py::test_redact_url",
    ),
}

LIFE = {
    "a port in use fails before anything ran": (
        "process/test_listening.py::test_port_in_use",
        "process/test_serving.py::test_port_in_use",
        "process/test_unix.py::test_leaves_the_file_of_a_live_process",
    ),
    "every resolved address is listened on": (
        "process/test_listening.py::test_every_address_of_localhost",
    ),
    "session, startup hooks in order, accept, forward loops": (
        "unit/test_lifespan.py::test_everything_starts_and_stops_in_its_order",
        "process/test_hosts_start.py::test_startup_hooks_come_first",
        "process/test_serving.py::test_events_before_the_startup_has_ended",
        "functional/test_forward_life.py::test_loops_start_after_the_startup_hooks",
    ),
    "a startup hook that fails undoes the start and ends the process": (
        "process/test_signals.py::test_startup_hook_that_raises",
        "process/test_serving.py::test_startup_hook_that_fails",
        "process/test_hosts_start.py::test_startup_hook_that_fails",
    ),
    "the stop has an order": (
        "process/test_serving.py::test_stops_in_order",
        "process/test_hosts_stop.py::test_answers_over_the_socket",
        "process/test_serving.py::test_cancelled_serve_stops_in_order",
    ),
    "exit() and both signals stop": (
        "process/test_signals.py::test_first_signal",
        "process/test_signals.py::test_exit_from_code",
        "process/test_hosts_requests.py::test_exit_from_code",
    ),
    "an open connection gets 503 with Connection: close during the drain": (
        "process/test_serving.py::test_open_connection_gets_503_during_the_drain",
        "process/test_hosts_stop.py::test_webhook_during_the_drain",
    ),
    "WebSockets of both sides close with 1001": (
        "process/test_serving.py::test_stops_in_order",
        "process/test_serving.py::test_forward_connection_gets_1001",
    ),
    "disconnect hooks run within the deadline": (
        "process/test_serving.py::test_disconnect_hooks_have_a_deadline_too",
        "unit/test_lifespan.py::test_disconnect_hooks_leave_a_slice_to_the_shutdown_hooks",
    ),
    "a SIGINT a second after the first signal cuts off what runs": (
        "unit/test_signals.py::test_an_interrupt_after_a_second_forces_once",
        "process/test_signals.py::test_second_signal_when_a_handler_never_ends",
        "process/test_signals.py::test_second_signal_when_a_handler_blocks_the_loop",
        "process/test_signals.py::test_second_signal_when_a_handler_refuses_to_end",
        "process/test_signals.py::test_second_signal_when_a_thread_never_ends",
        "compat/today/test_nb_run.py::test_a_second_ctrl_c_cuts_off_what_runs",
    ),
    "any other further signal is the same wish again": (
        "unit/test_signals.py::test_what_comes_within_a_second_is_the_same_wish",
        "unit/test_signals.py::test_no_other_signal_forces",
        "process/test_signals.py::test_one_wish_that_comes_twice",
        "process/test_signals.py::test_echo_that_comes_when_the_stop_has_ended",
        "compat/today/test_nb_run.py::test_ctrl_c_is_one_orderly_stop",
    ),
    "one deadline bounds the whole stop": (
        "unit/test_deadline.py::test_all_at_once_take_no_longer_than_the_sum",
        "process/test_deadline.py::test_only_peers_hang",
        "process/test_deadline.py::test_everything_hangs",
        "process/test_signals.py::test_a_thread_that_never_ends_at_an_orderly_stop",
    ),
    "a hook that hangs does not skip those behind it": (
        "process/test_deadline.py::test_a_shutdown_hook_that_hangs_does_not_skip_those_behind_it",
        "compat/today/test_events.py::"
        "test_a_shutdown_function_that_hangs_does_not_skip_those_behind_it",
        "compat/today/test_events_found.py::"
        "test_a_function_that_does_not_end_skips_nobody_and_is_named",
    ),
    "events that NoneBot handles are drained, in whatever task": (
        "compat/today/test_events.py::test_webhooks_under_every_host",
        "compat/today/test_events.py::test_reverse_websocket",
        "compat/today/test_events.py::test_forward_websocket",
        "compat/today/test_events.py::test_telegram_by_webhook",
        "compat/today/test_events.py::test_discord_by_its_gateway",
        "compat/today/test_events.py::test_events_that_are_polled_meanwhile_are_handled",
        "compat/today/test_events_found.py::test_events_that_an_adapter_takes_from_a_queue",
        "compat/today/test_events_found.py::test_shielded_matchers_are_cut_off",
        "compat/a16/test_cqhttp.py::test_events_in_flight_end_before_the_stop",
    ),
    "the drain waits for handlers while the sockets work": (
        "process/test_serving.py::test_answers_arrive_during_the_drain",
        "unit/test_lifespan.py::test_handlers_end_while_their_sockets_still_work",
    ),
    "later frames reach the bot and prolong nothing": (
        "process/test_serving.py::test_later_frames_reach_the_bot_and_prolong_nothing",
    ),
    "what the deadline cuts off is logged with count and adapter": (
        "process/test_serving.py::test_deadline_of_the_drain",
        "unit/test_tasks.py::test_cancelling_logs_how_many_of_whom",
    ),
    "every acknowledged event is handled": (
        "process/test_thousand.py::test_events_of_both_ways_with_calls_over_the_socket",
        "process/test_thousand.py::test_two_workers",
        "process/test_thousand.py::test_asgi_with_calls_over_http",
        "functional/test_polling.py::test_an_answer_of_the_moment_of_the_stop_is_handled",
        "faults/test_restart.py::test_restarts_under_load_lose_nothing",
    ),
    "under ASGI the drain goes on without the sockets": (
        "process/test_hosts_stop.py::test_handlers_in_flight",
    ),
    "an ASGI refusal is a response where the server can": (
        "functional/test_asgi_websocket.py::test_a_refusal_is_a_response_where_the_server_can",
    ),
    "a driver that was not started answers 503 and says why once": (
        "functional/test_asgi.py::test_a_driver_that_was_not_started_answers_503_and_says_why_once",
    ),
    "only run() touches signals, and puts back what it found": (
        "process/test_serving.py::test_touches_no_signals",
        "process/test_signals.py::test_first_signal",
        "process/test_signals.py::test_outside_of_the_main_thread",
    ),
    "exit codes are 0, 1 and 130": (
        "process/test_signals.py::test_first_signal",
        "process/test_signals.py::test_wrong_setting",
        "process/test_signals.py::test_second_signal_when_a_handler_never_ends",
    ),
    "uvloop is a loop factory, where it is installed": (
        "process/test_signals.py::test_first_signal",
        "process/test_signals.py::test_without_uvloop",
    ),
    "construction binds nothing": (
        "functional/test_session.py::test_making_a_pool_binds_it_to_nothing",
        "process/test_gunicorn.py::test_one_process_beside_the_workers_connects",
        "process/test_serving.py::test_serves_again_after_the_stop",
    ),
    "after stopping nothing is left": (
        "process/test_listening.py::test_stop_with_websockets_over_tls",
        "process/test_signals.py::test_first_signal",
        "process/test_listening.py::test_tls_by_a_context",
        "unit/test_support_leaks.py::test_a_task_a_session_and_a_socket_are_found",
    ),
    "a tested table says what holds under which host": (
        "unit/test_hosts_table.py::test_page_shows_the_table",
        "unit/test_hosts_table.py::test_every_promise_is_checked",
    ),
    "a host may forward no lifespan events": (
        "process/test_serving.py::test_lifespan_in_a_host_of_ones_own",
        "process/test_serving.py::test_lifespan_with_a_startup_hook_that_fails",
    ),
}

DATA = {
    "every limit is a setting with a default for bots": (
        "unit/test_options.py::test_the_defaults_are_the_documented_ones",
        "functional/test_reverse_websocket.py::test_big_messages_pass_the_default_limit",
    ),
    "a wrong setting is named": (
        "unit/test_options.py::test_a_wrong_setting_is_named_and_its_value_not_shown",
        "process/test_signals.py::test_wrong_setting",
        "process/test_listening.py::test_tls_with_a_file_that_is_no_certificate",
    ),
    "a refusal says why, in the log once": (
        "functional/test_webhook.py::test_the_log_keeps_no_unknown_names_and_no_repetitions",
        "unit/test_endpoints.py::test_a_refusal_is_logged_again_after_a_while",
    ),
}

_STRANGERS = "functional/test_strangers.py::"

STRANGERS = {
    "unfinished bodies are bounded over all of them": (
        f"{_STRANGERS}test_bodies_that_never_end_are_refused_when_they_hold_too_much",
    ),
    "requests behind each other give way": (
        f"{_STRANGERS}test_requests_behind_each_other_give_way",
    ),
    "who never reads is dropped": (
        f"{_STRANGERS}test_who_pipelines_and_never_reads_is_dropped",
        f"{_STRANGERS}test_a_websocket_whose_peer_takes_nothing_is_dropped",
        f"{_STRANGERS}test_who_reads_slowly_keeps_its_connection",
    ),
    "handlers of one connection are bounded": (
        f"{_STRANGERS}test_a_websocket_with_too_many_events_in_work_is_closed_with_1013",
        f"{_STRANGERS}test_a_forward_websocket_with_too_many_events_in_work_is_closed",
    ),
    "a queue for one bot's id is short": (
        f"{_STRANGERS}test_the_line_for_a_bot_is_short_and_who_has_gone_leaves_it",
    ),
    "a response that cannot be sent is a 500": (
        f"{_STRANGERS}test_a_response_that_cannot_be_sent_is_500_and_names_its_adapter",
    ),
    "framing is the transport's business": (
        f"{_STRANGERS}test_framing_is_the_transports_business",
    ),
    "libraries' loggers are limited": (
        f"{_STRANGERS}test_aiohttps_loggers_are_limited_while_the_own_process_serves",
        f"{_STRANGERS}test_subprotocols_that_nobody_has_are_no_warning",
    ),
    "an encoded slash separates nothing": (f"{_STRANGERS}test_an_encoded_slash_separates_nothing",),
    "descriptors are raised, and their end is said once": (
        "process/test_descriptors.py::test_the_limit_is_raised_while_it_runs_and_put_back",
        "process/test_descriptors.py::test_that_none_is_left_is_said_and_said_once",
    ),
    "a TLS handshake has its time": (
        "process/test_listening.py::test_silent_clients_of_tls_are_dropped",
    ),
}

PARTS = (REGISTRY, WEBHOOK, REVERSE_WEBSOCKET, BROWSERS, FORWARD, LIFE, DATA, STRANGERS)

PROMISES = {name: tests for part in PARTS for name, tests in part.items()}
