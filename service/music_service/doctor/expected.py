"""What the migrations put into `public` for the service: the names and shapes that it relies on.

A test compares this page with what the migrations really make.
"""

from __future__ import annotations

from collections.abc import Mapping

from music_service.doctor.probe import NOBODY

# A value of each type that finds nothing and changes nothing.
_SAMPLES = {
    "text": "doctor",
    "int": "0",
    "numeric": "0",
    "double precision": "1",
    "boolean": "true",
    "uuid": NOBODY,
    "uuid[]": "{}",
    "jsonb": "{}",
    "timestamptz": "2100-01-01",
}

FUNCTIONS: Mapping[str, Mapping[str, str]] = {
    "claim_music_tracks": {
        "p_worker_id": "text",
        "p_limit": "int",
        "p_lease_seconds": "double precision",
        "p_version": "int",
    },
    "renew_music_claims": {
        "p_worker_id": "text",
        "p_claim_ids": "uuid[]",
        "p_lease_seconds": "double precision",
    },
    "release_music_claims": {"p_worker_id": "text", "p_claim_ids": "uuid[]"},
    "begin_music_generation": {
        "p_claim_id": "uuid",
        "p_generation_id": "uuid",
        "p_request": "jsonb",
        "p_model": "text",
        "p_expected_cost_cents": "numeric",
    },
    "record_music_task": {
        "p_generation_id": "uuid",
        "p_mureka_task_id": "text",
        "p_trace_id": "text",
    },
    "record_music_lyrics": {"p_generation_id": "uuid", "p_title": "text", "p_lyrics": "text"},
    "refuse_music_generation": {"p_generation_id": "uuid", "p_reason": "text"},
    "take_left_over_music": {"p_limit": "int", "p_pause_seconds": "double precision"},
    "close_left_over_music": {"p_generation_id": "uuid", "p_provider_status": "text"},
    "report_music_stage": {"p_claim_id": "uuid", "p_stage": "text", "p_stream_url": "text"},
    "complete_music_track": {
        "p_claim_id": "uuid",
        "p_storage_path": "text",
        "p_file_url": "text",
        "p_duration_ms": "int",
        "p_audio_files": "jsonb",
        "p_mureka_song_id": "text",
        "p_timed_lyrics": "jsonb",
    },
    "defer_music_track": {
        "p_claim_id": "uuid",
        "p_delay_seconds": "double precision",
        "p_outcome": "text",
        "p_error_code": "text",
        "p_error_message": "text",
        "p_counts_as_attempt": "boolean",
    },
    "fail_music_track": {
        "p_claim_id": "uuid",
        "p_outcome": "text",
        "p_error_code": "text",
        "p_error_message": "text",
    },
    "report_music_worker": {
        "p_worker_id": "text",
        "p_host": "text",
        "p_version": "text",
        "p_capacity": "int",
        "p_state": "text",
        "p_note": "text",
    },
    "report_music_account": {"p_concurrent_request_limit": "int", "p_balance_cents": "numeric"},
    "pause_music_queue": {"p_reason": "text"},
    "resume_music_queue": {},
    "retry_music_tracks": {
        "p_track_ids": "uuid[]",
        "p_error_code": "text",
        "p_since": "timestamptz",
        "p_dry_run": "boolean",
    },
    "regenerate_music_tracks": {"p_track_ids": "uuid[]", "p_dry_run": "boolean"},
    "cancel_music_tracks": {"p_track_ids": "uuid[]"},
    "list_orphaned_music": {
        "p_bucket": "text",
        "p_after": "text",
        "p_objects": "int",
        "p_min_age_seconds": "double precision",
    },
    "ping_music_realtime": {"p_nonce": "text"},
    "check_music_project": {"p_bucket": "text"},
    "try_music_track": {"p_user_id": "uuid"},
    "list_music_numbers": {"p_count": "int"},
    "music_schema_version": {},
}

# The columns of `music_tracks` that workers and commands read or write.
TRACK_COLUMNS = (
    "id,user_id,prompt,lyrics,genre,mood,tempo,duration,status,stage,expected_ready_at,"
    "stream_url,file_url,storage_path,duration_ms,error_code,error_message,priority,run_after,"
    "attempts,created_at,updated_at,started_at,completed_at,title,lyrics_prompt,vocal_gender,"
    "model,parent_id,audio_formats,mureka_song_id,audio_files"
)
TABLE = "music_tracks"
TABLES = (TABLE, "music_timed_lyrics")
RELATIONS: Mapping[str, str] = {
    TABLE: TRACK_COLUMNS,
    "music_timed_lyrics": "track_id,sections,created_at",
    "music_queue_health": "paused,paused_at,paused_by,paused_reason,pending,due,"
    "oldest_pending_seconds,generating,waiting,failures_last_hour,workers_alive,workers_blocked,"
    "allowed_at_once,max_concurrent,spent_today_cents,daily_budget_cents,"
    "daily_budget_cents_per_user,daily_budget_cents_of_guests,max_pending,max_pending_per_user,"
    "max_pending_per_guest",
    "music_spend_daily": "utc_day,model,paid_calls,expected_cost_cents",
    "music_review": "what,track_id,user_id,worker_id,since,tracks,is_free,reason,generation_id,"
    "what_to_do",
    "music_track_history": "track_id,event_id,at,kind,what_happened,by_whom",
}
TRACK_RIGHTS = ("insert", "update", "delete")
# The rules of `music_tracks`; every other one is the app's own.
CONSTRAINTS = (
    "music_tracks_audio_formats_known",
    "music_tracks_completed_has_audio",
    "music_tracks_completed_has_time",
    "music_tracks_duration_ms_positive",
    "music_tracks_duration_range",
    "music_tracks_error_code_known",
    "music_tracks_error_has_reason",
    "music_tracks_generating_has_start",
    "music_tracks_hints_length",
    "music_tracks_lyrics_length",
    "music_tracks_lyrics_prompt_length",
    "music_tracks_parent_is_another",
    "music_tracks_prompt_length",
    "music_tracks_status_check",
    "music_tracks_title_length",
    "music_tracks_vocal_gender_known",
)
# The triggers of `music_tracks`: the state machine, history, and what Realtime is told.
TRIGGERS = (
    "music_tracks_announce_insert",
    "music_tracks_announce_update",
    "music_tracks_check_insert",
    "music_tracks_check_regenerated",
    "music_tracks_check_update",
    "music_tracks_clear_progress",
    "music_tracks_follow_status",
    "music_tracks_follow_wishes",
    "music_tracks_limit_waiting_delete",
    "music_tracks_limit_waiting_insert",
    "music_tracks_limit_waiting_update",
    "music_tracks_note_delete",
    "music_tracks_note_insert",
    "music_tracks_tell_owner_insert",
    "music_tracks_tell_owner_update",
)


def samples(function: str) -> dict[str, str]:
    """Arguments with which a function can be asked for without doing anything."""
    return {name: _SAMPLES[kind] for name, kind in FUNCTIONS[function].items()}
