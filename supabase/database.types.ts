
export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  
  "public": {
          Tables: {
            "journeys": {
                  Row: {
                    "book_author": string | null,"book_title": string | null,"created_at": string,"finished_at": string | null,"id": string,"user_id": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "book_author"?: string | null,"book_title"?: string | null,"created_at"?: string,"finished_at"?: string | null,"id"?: string,"user_id"?: string | null
                  }
                  Update: {
                    "book_author"?: string | null,"book_title"?: string | null,"created_at"?: string,"finished_at"?: string | null,"id"?: string,"user_id"?: string | null
                  }
                  Relationships: [
                    
                  ]
                },"music_timed_lyrics": {
                  Row: {
                    "created_at": string,"sections": NonNullable<Json>,"track_id": string
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"sections": NonNullable<Json>,"track_id": string
                  }
                  Update: {
                    "created_at"?: string,"sections"?: NonNullable<Json>,"track_id"?: string
                  }
                  Relationships: [
                    {
      foreignKeyName: "music_timed_lyrics_track_id_fkey"
      columns: ["track_id"]
isOneToOne: true
      referencedRelation: "music_tracks"
      referencedColumns: ["id"]
    }
                  ]
                },"music_tracks": {
                  Row: {
                    "attempts": number,"audio_files": Json | null,"audio_formats": (string)[],"completed_at": string | null,"created_at": string,"duration": number | null,"duration_ms": number | null,"error_code": string | null,"error_message": string | null,"expected_ready_at": string | null,"file_url": string | null,"genre": string | null,"id": string,"journey_id": string | null,"lyrics": string | null,"lyrics_prompt": string | null,"model": string | null,"mood": string | null,"mureka_song_id": string | null,"parent_id": string | null,"priority": number,"prompt": string | null,"run_after": string,"stage": string | null,"started_at": string | null,"status": string,"storage_path": string | null,"stream_url": string | null,"tempo": string | null,"title": string | null,"updated_at": string,"user_id": string | null,"vocal_gender": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "attempts"?: number,"audio_files"?: Json | null,"audio_formats"?: (string)[],"completed_at"?: string | null,"created_at"?: string,"duration"?: number | null,"duration_ms"?: number | null,"error_code"?: string | null,"error_message"?: string | null,"expected_ready_at"?: string | null,"file_url"?: string | null,"genre"?: string | null,"id"?: string,"journey_id"?: string | null,"lyrics"?: string | null,"lyrics_prompt"?: string | null,"model"?: string | null,"mood"?: string | null,"mureka_song_id"?: string | null,"parent_id"?: string | null,"priority"?: number,"prompt"?: string | null,"run_after"?: string,"stage"?: string | null,"started_at"?: string | null,"status"?: string,"storage_path"?: string | null,"stream_url"?: string | null,"tempo"?: string | null,"title"?: string | null,"updated_at"?: string,"user_id"?: string | null,"vocal_gender"?: string | null
                  }
                  Update: {
                    "attempts"?: number,"audio_files"?: Json | null,"audio_formats"?: (string)[],"completed_at"?: string | null,"created_at"?: string,"duration"?: number | null,"duration_ms"?: number | null,"error_code"?: string | null,"error_message"?: string | null,"expected_ready_at"?: string | null,"file_url"?: string | null,"genre"?: string | null,"id"?: string,"journey_id"?: string | null,"lyrics"?: string | null,"lyrics_prompt"?: string | null,"model"?: string | null,"mood"?: string | null,"mureka_song_id"?: string | null,"parent_id"?: string | null,"priority"?: number,"prompt"?: string | null,"run_after"?: string,"stage"?: string | null,"started_at"?: string | null,"status"?: string,"storage_path"?: string | null,"stream_url"?: string | null,"tempo"?: string | null,"title"?: string | null,"updated_at"?: string,"user_id"?: string | null,"vocal_gender"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "music_tracks_journey_id_fkey"
      columns: ["journey_id"]
isOneToOne: false
      referencedRelation: "journeys"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "music_tracks_parent_id_fkey"
      columns: ["parent_id"]
isOneToOne: false
      referencedRelation: "music_tracks"
      referencedColumns: ["id"]
    }
                  ]
                },"reading_logs": {
                  Row: {
                    "created_at": string,"emotions": (string)[],"id": string,"journey_id": string | null,"memo": string | null,"quote": string | null,"track_id": string | null,"version": string | null
                  }
                  ComputedFields: never
                  Insert: {
                    "created_at"?: string,"emotions"?: (string)[],"id"?: string,"journey_id"?: string | null,"memo"?: string | null,"quote"?: string | null,"track_id"?: string | null,"version"?: string | null
                  }
                  Update: {
                    "created_at"?: string,"emotions"?: (string)[],"id"?: string,"journey_id"?: string | null,"memo"?: string | null,"quote"?: string | null,"track_id"?: string | null,"version"?: string | null
                  }
                  Relationships: [
                    {
      foreignKeyName: "reading_logs_journey_id_fkey"
      columns: ["journey_id"]
isOneToOne: false
      referencedRelation: "journeys"
      referencedColumns: ["id"]
    },{
      foreignKeyName: "reading_logs_track_id_fkey"
      columns: ["track_id"]
isOneToOne: false
      referencedRelation: "music_tracks"
      referencedColumns: ["id"]
    }
                  ]
                }
          }
          Views: {
            "music_queue_health": {
                  Row: {
                    "account_balance_cents": number | null,"account_checked_at": string | null,"account_limit": number | null,"allowed_at_once": number | null,"daily_budget_cents": number | null,"daily_budget_cents_of_guests": number | null,"daily_budget_cents_per_user": number | null,"due": number | null,"failures_last_hour": Json | null,"generating": number | null,"left_over": number | null,"max_concurrent": number | null,"max_concurrent_per_user": number | null,"max_pending": number | null,"max_pending_per_guest": number | null,"max_pending_per_user": number | null,"oldest_pending_seconds": number | null,"paused": boolean,"paused_at": string | null,"paused_by": string | null,"paused_reason": string | null,"pending": number | null,"pick_up_p50_seconds": number | null,"pick_up_p95_seconds": number | null,"spent_today_cents": number | null,"total_p50_seconds": number | null,"total_p95_seconds": number | null,"waiting": Json | null,"workers_alive": number | null,"workers_blocked": Json | null,"workers_last_seen_at": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                },"music_review": {
                  Row: {
                    "generation_id": string | null,"is_free": boolean | null,"reason": string | null,"since": string | null,"track_id": string | null,"tracks": number | null,"user_id": string | null,"what": string | null,"what_to_do": string | null,"worker_id": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                },"music_spend_daily": {
                  Row: {
                    "expected_cost_cents": number | null,"failed": number | null,"model": string,"paid_calls": number | null,"refused": number | null,"submission_unknown": number | null,"utc_day": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                },"music_track_history": {
                  Row: {
                    "at": string,"by_whom": string | null,"event_id": number,"kind": string,"track_id": string,"what_happened": string | null
                  }
                  ComputedFields: never
                  Relationships: [
                    
                  ]
                }
          }
          Functions: {
            "add_reading_log":
{ Args: { "p_emotions"?: (string)[],"p_journey_id": string,"p_lyrics"?: string,"p_memo"?: string,"p_quote"?: string,"p_sing"?: boolean,"p_track_id"?: string,"p_vocal_gender"?: string }; Returns: Json
                           },
"begin_music_generation":
{ Args: { "p_claim_id": string,"p_expected_cost_cents": number,"p_generation_id": string,"p_model": string,"p_request": Json }; Returns: number[]
                           },
"cancel_music_tracks":
{ Args: { "p_track_ids": (string)[] }; Returns: {
              "status_before": string,"track_id": string,"user_id": string
            }[]
                           },
"check_music_project":
{ Args: { "p_bucket": string }; Returns: Json
                           },
"claim_music_tracks":
{ Args: { "p_lease_seconds": number,"p_limit": number,"p_version"?: number,"p_worker_id": string }; Returns: {
              "asked_at": string,"asked_seconds": number,"attempt": number,"attempts": number,"audio_formats": (string)[],"claim_id": string,"duration": number,"expected_seconds": number,"generation_age_seconds": number,"generation_id": string,"generation_intent_at": string,"generation_request": Json,"genre": string,"lease_expires_at": string,"lyrics": string,"lyrics_prompt": string,"model": string,"mood": string,"mureka_task_id": string,"prompt": string,"tempo": string,"track_id": string,"user_id": string,"vocal_gender": string,"waited_seconds": number
            }[]
                           },
"close_left_over_music":
{ Args: { "p_generation_id": string,"p_provider_status": string }; Returns: string[]
                           },
"complete_music_track":
{ Args: { "p_audio_files"?: Json,"p_claim_id": string,"p_duration_ms": number,"p_file_url": string,"p_mureka_song_id"?: string,"p_storage_path": string,"p_timed_lyrics"?: Json }; Returns: string[]
                           },
"create_journey":
{ Args: { "p_book_author"?: string,"p_book_title": string,"p_emotions"?: (string)[],"p_track_id"?: string }; Returns: Json
                           },
"defer_music_track":
{ Args: { "p_claim_id": string,"p_counts_as_attempt": boolean,"p_delay_seconds": number,"p_error_code": string,"p_error_message": string,"p_outcome": string }; Returns: string[]
                           },
"fail_music_track":
{ Args: { "p_claim_id": string,"p_error_code": string,"p_error_message": string,"p_outcome": string }; Returns: string[]
                           },
"finish_journey":
{ Args: { "p_journey_id": string,"p_sing"?: boolean,"p_vocal_gender"?: string }; Returns: Json
                           },
"list_music_numbers":
{ Args: { "p_count": number }; Returns: number[]
                           },
"list_orphaned_music":
{ Args: { "p_after"?: string,"p_bucket": string,"p_min_age_seconds"?: number,"p_objects"?: number }; Returns: Json
                           },
"music_another_take":
{ Args: { "p_id"?: string,"p_track_id": string }; Returns: {
              "attempts": number,
"audio_files": Json | null,
"audio_formats": (string)[],
"completed_at": string | null,
"created_at": string,
"duration": number | null,
"duration_ms": number | null,
"error_code": string | null,
"error_message": string | null,
"expected_ready_at": string | null,
"file_url": string | null,
"genre": string | null,
"id": string,
"journey_id": string | null,
"lyrics": string | null,
"lyrics_prompt": string | null,
"model": string | null,
"mood": string | null,
"mureka_song_id": string | null,
"parent_id": string | null,
"priority": number,
"prompt": string | null,
"run_after": string,
"stage": string | null,
"started_at": string | null,
"status": string,
"storage_path": string | null,
"stream_url": string | null,
"tempo": string | null,
"title": string | null,
"updated_at": string,
"user_id": string | null,
"vocal_gender": string | null
            }[]
                          SetofOptions: {
        from: "*"
        to: "music_tracks"
        isOneToOne: false
        isSetofReturn: true
      } },
"music_schema_version":
{ Args: Record<PropertyKey, never>; Returns: {
              "oldest_worker": number,"version": number
            }[]
                           },
"pause_music_queue":
{ Args: { "p_reason"?: string }; Returns: string
                           },
"ping_music_realtime":
{ Args: { "p_nonce": string }; Returns: string
                           },
"record_music_lyrics":
{ Args: { "p_generation_id": string,"p_lyrics": string,"p_title": string }; Returns: string[]
                           },
"record_music_task":
{ Args: { "p_generation_id": string,"p_mureka_task_id": string,"p_trace_id": string }; Returns: string[]
                           },
"refuse_music_generation":
{ Args: { "p_generation_id": string,"p_reason": string }; Returns: string[]
                           },
"regenerate_music_tracks":
{ Args: { "p_dry_run"?: boolean,"p_track_ids": (string)[] }; Returns: {
              "completed_at": string,"expected_cost_cents": number,"is_free": boolean,"regenerated": boolean,"track_id": string,"user_id": string
            }[]
                           },
"release_music_claims":
{ Args: { "p_claim_ids": (string)[],"p_worker_id": string }; Returns: string[]
                           },
"renew_music_claims":
{ Args: { "p_claim_ids": (string)[],"p_lease_seconds": number,"p_worker_id": string }; Returns: string[]
                           },
"report_music_account":
{ Args: { "p_balance_cents": number,"p_concurrent_request_limit": number }; Returns: undefined
                           },
"report_music_stage":
{ Args: { "p_claim_id": string,"p_stage": string,"p_stream_url"?: string }; Returns: string[]
                           },
"report_music_worker":
{ Args: { "p_capacity": number,"p_host": string,"p_note": string,"p_state": string,"p_version": string,"p_worker_id": string }; Returns: undefined
                           },
"resume_music_queue":
{ Args: Record<PropertyKey, never>; Returns: string
                           },
"retry_music_tracks":
{ Args: { "p_dry_run"?: boolean,"p_error_code"?: string,"p_since"?: string,"p_track_ids"?: (string)[] }; Returns: {
              "error_code": string,"expected_cost_cents": number,"is_free": boolean,"retried": boolean,"track_id": string,"user_id": string
            }[]
                           },
"take_left_over_music":
{ Args: { "p_limit": number,"p_pause_seconds": number }; Returns: Json
                           },
"try_music_track":
{ Args: { "p_user_id"?: string }; Returns: Json
                           }
          }
          Enums: {
            [_ in never]: never
          }
          CompositeTypes: {
            [_ in never]: never
          }
        }
}

type DatabaseWithoutInternals = Omit<Database, '__InternalSupabase'>

type DefaultSchema = DatabaseWithoutInternals[Extract<keyof Database, "public">]

export type Tables<
  DefaultSchemaTableNameOrOptions extends
    | keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
        DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? (DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"] &
      DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Views"])[TableName] extends {
      Row: infer R
    }
    ? R
    : never
  : DefaultSchemaTableNameOrOptions extends keyof (DefaultSchema["Tables"] & DefaultSchema["Views"])
  ? (DefaultSchema["Tables"] & DefaultSchema["Views"])[DefaultSchemaTableNameOrOptions] extends {
      Row: infer R
    }
    ? R
    : never
  : never

export type TablesInsert<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Insert: infer I
    }
    ? I
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Insert: infer I
    }
    ? I
    : never
  : never

export type TablesUpdate<
  DefaultSchemaTableNameOrOptions extends
    | keyof DefaultSchema["Tables"]
    | { schema: keyof DatabaseWithoutInternals },
  TableName extends DefaultSchemaTableNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"]
    : never = never
> = DefaultSchemaTableNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaTableNameOrOptions["schema"]]["Tables"][TableName] extends {
      Update: infer U
    }
    ? U
    : never
  : DefaultSchemaTableNameOrOptions extends keyof DefaultSchema["Tables"]
  ? DefaultSchema["Tables"][DefaultSchemaTableNameOrOptions] extends {
      Update: infer U
    }
    ? U
    : never
  : never

export type Enums<
  DefaultSchemaEnumNameOrOptions extends
    | keyof DefaultSchema["Enums"]
    | { schema: keyof DatabaseWithoutInternals },
  EnumName extends DefaultSchemaEnumNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"]
    : never = never
> = DefaultSchemaEnumNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[DefaultSchemaEnumNameOrOptions["schema"]]["Enums"][EnumName]
  : DefaultSchemaEnumNameOrOptions extends keyof DefaultSchema["Enums"]
  ? DefaultSchema["Enums"][DefaultSchemaEnumNameOrOptions]
  : never

export type CompositeTypes<
  PublicCompositeTypeNameOrOptions extends
    | keyof DefaultSchema["CompositeTypes"]
    | { schema: keyof DatabaseWithoutInternals },
  CompositeTypeName extends PublicCompositeTypeNameOrOptions extends {
    schema: keyof DatabaseWithoutInternals
  }
    ? keyof DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"]
    : never = never
> = PublicCompositeTypeNameOrOptions extends { schema: keyof DatabaseWithoutInternals }
  ? DatabaseWithoutInternals[PublicCompositeTypeNameOrOptions["schema"]]["CompositeTypes"][CompositeTypeName]
  : PublicCompositeTypeNameOrOptions extends keyof DefaultSchema["CompositeTypes"]
  ? DefaultSchema["CompositeTypes"][PublicCompositeTypeNameOrOptions]
  : never

export const Constants = {
  "public": {
          Enums: {
            
          }
        }
} as const
